//! Many game servers under one launcher.

mod soak {
    use std::{
        fmt::Write as _,
        fs,
        time::{Duration, Instant},
    };

    use protocol::ServerState;

    use crate::{arena, launcher::Launcher, login_server::LoginServer};

    /// A hundred, with players in them, as an operator of a community has them.
    #[actix::test]
    #[ignore = "soak"]
    async fn a_hundred_servers_are_listed_within_ten_seconds() {
        let mut login = LoginServer::start().await;
        let mut launcher = Launcher::new(&config());
        let enrolled = launcher.enroll(&login.enrollment()).await;
        assert!(enrolled.status.success(), "{enrolled:?}");
        let started = Instant::now();
        launcher.start();
        let all_ready = |login: &LoginServer| {
            let ready = login.servers.values().filter(|s| s.state == Some(ServerState::Ready));
            ready.count() == SERVERS
        };
        login.until("a hundred servers", all_ready).await;
        let took = started.elapsed();

        let status = launcher.command(&["status", "--json"]);
        let pid = |line: &str, key: &str| {
            let status: serde_json::Value = serde_json::from_str(line).unwrap();
            u32::try_from(status[key].as_u64().unwrap()).unwrap()
        };
        let status = String::from_utf8(status.stdout).unwrap();
        let keepers: Vec<_> = status.lines().map(|line| pid(line, "keeper_pid")).collect();
        let games: Vec<_> = status.lines().map(|line| pid(line, "pid")).collect();
        assert_eq!((keepers.len(), games.len()), (SERVERS, SERVERS));
        let launcher_pid = launcher.process_id();
        let before = [cpu(&[launcher_pid]), cpu(&keepers), cpu(&games)];
        login.sees(WATCHED, |_| false).await;
        let after = [cpu(&[launcher_pid]), cpu(&keepers), cpu(&games)];
        let memory = [memory(&[launcher_pid]), memory(&keepers), memory(&games)];
        println!("{SERVERS} servers are ready after {took:.1?}");
        for (at, what) in ["launcher", "keepers", "games"].into_iter().enumerate() {
            let cpu = (after[at] - before[at]) as f64 / WATCHED.as_secs_f64() / SERVERS as f64;
            let memory = memory[at] / SERVERS;
            println!("{what}: {cpu:.2} ms of CPU a second and {memory} KiB for each server");
        }
        assert!(took < Duration::from_secs(10), "{took:?}");
    }

    fn config() -> String {
        let program = arena::program().display();
        let mut config = String::new();
        for number in 0..SERVERS {
            let _ = write!(
                config,
                "[[server]]\nname = \"s{number}\"\ngame = \"controller\"\nprogram = \"{program}\"\n\
                 bind = \"127.0.0.1\"\n[server.controller]\n\
                 arguments = [\"--bots\", \"4\", \"--match-ms\", \"60000\"]\n",
            );
        }
        config
    }

    /// Milliseconds of CPU that processes have used.
    fn cpu(pids: &[u32]) -> u64 {
        let ticks = pids.iter().map(|pid| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
            let (_, fields) = stat.rsplit_once(") ").unwrap();
            let fields: Vec<_> = fields.split(' ').collect();
            fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
        });
        // There are a hundred ticks in a second.
        ticks.sum::<u64>() * 10
    }

    /// KiB that are theirs alone, and their share of what is shared.
    fn memory(pids: &[u32]) -> usize {
        let shares = pids.iter().map(|pid| {
            let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
            let share = rollup.lines().find_map(|line| line.strip_prefix("Pss:")).unwrap();
            share.trim().trim_end_matches(" kB").parse::<usize>().unwrap()
        });
        shares.sum()
    }

    const SERVERS: usize = 100;

    /// Pings, and points in every game.
    const WATCHED: Duration = Duration::from_secs(20);
}
