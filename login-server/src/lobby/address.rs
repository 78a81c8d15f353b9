//! Where a player reaches a game server.

use std::net::IpAddr;

/// The address `viewer` should use for a game server.
///
/// `launcher` is where its launcher connects from, `advertised` what its operator wants used; both
/// addresses as the login server sees them. The rules, the first that decides wins:
///
/// 1. Only an advertised address is used, if there is one that can be a destination; otherwise the
///    launcher's.
/// 2. A loopback address is only for who is on the same machine: both connect over loopback.
/// 3. Who is near (both over loopback, both from private networks, or both from the same address,
///    as two behind one NAT) prefers loopback, then a private address, then a public one: a router
///    need not carry a packet back in. Who is not near prefers a public one.
/// 4. The family the viewer came over is preferred: the other may not work for them.
/// 5. The earlier advertised address is preferred.
///
/// `None`: no address is known that could work, for example when the launcher runs beside the
/// login server and advertises none.
pub fn reachable_address(
    viewer: IpAddr,
    launcher: IpAddr,
    advertised: &[IpAddr],
) -> Option<IpAddr> {
    let (viewer, launcher) = (viewer.to_canonical(), launcher.to_canonical());
    let advertised = advertised.iter().map(IpAddr::to_canonical).filter(is_destination);
    let mut candidates: Vec<IpAddr> = advertised.collect();
    if candidates.is_empty() {
        candidates.push(launcher);
    }
    let same_machine = viewer.is_loopback() && launcher.is_loopback();
    let near = same_machine
        || (scope(viewer) == Scope::Private && scope(launcher) == Scope::Private)
        || viewer == launcher;
    let usable = candidates.into_iter().filter(|ip| same_machine || !ip.is_loopback());
    usable.min_by_key(|ip| {
        let far = match scope(*ip) {
            Scope::Loopback => 0,
            Scope::Private => 1,
            Scope::Public => 2,
        };
        let distance = if near { far } else { -far };
        (distance, ip.is_ipv4() != viewer.is_ipv4())
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    Loopback,
    Private,
    Public,
}

fn scope(ip: IpAddr) -> Scope {
    match ip {
        _ if ip.is_loopback() => Scope::Loopback,
        IpAddr::V4(ip) if ip.is_private() || ip.is_link_local() || is_shared(ip.octets()) => {
            Scope::Private
        }
        IpAddr::V6(ip) if ip.is_unique_local() || ip.is_unicast_link_local() => Scope::Private,
        IpAddr::V4(_) | IpAddr::V6(_) => Scope::Public,
    }
}

/// What providers use behind their own NAT: 100.64.0.0/10.
fn is_shared([a, b, ..]: [u8; 4]) -> bool {
    a == 100 && (64..128).contains(&b)
}

fn is_destination(ip: &IpAddr) -> bool {
    let broadcast = matches!(ip, IpAddr::V4(ip) if ip.is_broadcast());
    !ip.is_unspecified() && !ip.is_multicast() && !broadcast
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_viewer_gets_the_address_that_works_for_them() {
        let cases: &[(&str, &str, &[&str], &str)] = &[
            // viewer, launcher, advertised, expected
            ("127.0.0.1", "127.0.0.1", &[], "127.0.0.1"),
            ("::1", "127.0.0.1", &[], "127.0.0.1"),
            ("127.0.0.1", "127.0.0.1", &["203.0.113.5"], "203.0.113.5"),
            ("127.0.0.1", "127.0.0.1", &["203.0.113.5", "127.0.0.1"], "127.0.0.1"),
            ("127.0.0.1", "198.51.100.2", &[], "198.51.100.2"),
            ("192.168.1.9", "127.0.0.1", &[], "none"),
            ("192.168.1.9", "127.0.0.1", &["192.168.1.2"], "192.168.1.2"),
            ("192.168.1.9", "192.168.1.2", &[], "192.168.1.2"),
            ("192.168.1.9", "192.168.1.2", &["203.0.113.5", "192.168.1.2"], "192.168.1.2"),
            ("192.168.1.9", "198.51.100.2", &["10.0.0.2", "198.51.100.2"], "198.51.100.2"),
            ("198.51.100.7", "203.0.113.5", &[], "203.0.113.5"),
            ("198.51.100.7", "203.0.113.5", &["10.0.0.2", "203.0.113.5"], "203.0.113.5"),
            ("203.0.113.5", "203.0.113.5", &["203.0.113.5", "10.0.0.2"], "10.0.0.2"),
            ("198.51.100.7", "203.0.113.5", &["10.0.0.2"], "10.0.0.2"),
            ("198.51.100.7", "203.0.113.5", &["127.0.0.1"], "none"),
            ("198.51.100.7", "203.0.113.5", &["2001:db8::5", "203.0.113.6"], "203.0.113.6"),
            ("2001:db8::9", "203.0.113.5", &["203.0.113.6", "2001:db8::5"], "2001:db8::5"),
            ("2001:db8::9", "203.0.113.5", &["203.0.113.6"], "203.0.113.6"),
            ("::ffff:10.0.0.3", "::ffff:10.0.0.2", &[], "10.0.0.2"),
            ("fd00::3", "fd00::2", &["2001:db8::5", "fd00::2"], "fd00::2"),
            ("100.64.0.3", "100.64.0.2", &["203.0.113.5", "100.64.0.2"], "100.64.0.2"),
            (
                "198.51.100.7",
                "203.0.113.5",
                &["0.0.0.0", "224.0.0.1", "255.255.255.255"],
                "203.0.113.5",
            ),
            ("198.51.100.7", "203.0.113.5", &["203.0.113.6", "203.0.113.7"], "203.0.113.6"),
        ];
        for (viewer, launcher, advertised, expected) in cases {
            let ip = |text: &str| text.parse::<IpAddr>().unwrap();
            let advertised: Vec<_> = advertised.iter().map(|text| ip(text)).collect();
            let address = reachable_address(ip(viewer), ip(launcher), &advertised);
            let address = address.map_or_else(|| "none".to_owned(), |ip| ip.to_string());
            assert_eq!(&address, expected, "{viewer} to {launcher}, {advertised:?}");
        }
    }
}
