//! Ranges of addresses, as bans are spoken of.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use crate::prefix::Prefix;

/// All addresses that begin with the same bits: `192.0.2.0/24`, `2001:db8::/32`, or one address.
///
/// An IPv4 address mapped into IPv6 counts as IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AddressRange {
    /// Lowest address.
    low: u128,
    /// Bits that count, of 128.
    bits: u8,
}

/// A text that is no range of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a range is an address, or an address and a length: 192.0.2.0/24, 2001:db8::/32")]
pub struct AddressRangeError;

impl AddressRange {
    /// The range of this one address.
    pub fn of(address: IpAddr) -> Self {
        Self { low: number(address), bits: 128 }
    }

    /// The addresses from `address` that share its first `length` bits.
    ///
    /// # Errors
    ///
    /// When an address has not so many bits.
    pub fn new(address: IpAddr, length: u8) -> Result<Self, AddressRangeError> {
        let address = address.to_canonical();
        let (longest, mapped) = if address.is_ipv4() { (32, 96) } else { (128, 0) };
        if length > longest {
            return Err(AddressRangeError);
        }
        let bits = length + mapped;
        Ok(Self { low: number(address) & mask(bits), bits })
    }

    /// Whether `address` is one of them.
    pub fn contains(&self, address: IpAddr) -> bool {
        number(address) & mask(self.bits) == self.low
    }

    /// How many of an address's bits are fixed, of 32 for IPv4 and of 128 for IPv6.
    pub fn length(&self) -> u8 {
        if self.is_ipv4() { self.bits - 96 } else { self.bits }
    }

    pub(crate) fn low(&self) -> [u8; 16] {
        self.low.to_be_bytes()
    }

    pub(crate) fn high(&self) -> [u8; 16] {
        (self.low | !mask(self.bits)).to_be_bytes()
    }

    pub(crate) fn bits(&self) -> u8 {
        self.bits
    }

    pub(crate) fn from_stored(low: [u8; 16], bits: u8) -> Result<Self, AddressRangeError> {
        let low = u128::from_be_bytes(low);
        if bits > 128 || low & mask(bits) != low {
            return Err(AddressRangeError);
        }
        Ok(Self { low, bits })
    }

    fn is_ipv4(&self) -> bool {
        self.bits >= 96 && self.low >> 32 == 0xffff
    }
}

/// An address as a database compares it with [`AddressRange::low`] and `high`.
pub(crate) fn address_bytes(address: IpAddr) -> [u8; 16] {
    number(address).to_be_bytes()
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

fn mask(bits: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0)
}

impl From<Prefix> for AddressRange {
    /// The whole network somebody comes from.
    fn from(prefix: Prefix) -> Self {
        prefix.to_string().parse().unwrap_or(Self { low: 0, bits: 128 })
    }
}

impl FromStr for AddressRange {
    type Err = AddressRangeError;

    fn from_str(text: &str) -> Result<Self, AddressRangeError> {
        let Some((address, length)) = text.split_once('/') else {
            return text.parse().map(Self::of).map_err(|_| AddressRangeError);
        };
        let address = address.parse().map_err(|_| AddressRangeError)?;
        if !length.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(AddressRangeError);
        }
        Self::new(address, length.parse().map_err(|_| AddressRangeError)?)
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (address, whole): (IpAddr, u8) = if self.is_ipv4() {
            let low = u32::try_from(self.low & u128::from(u32::MAX)).unwrap_or(0);
            (Ipv4Addr::from_bits(low).into(), 32)
        } else {
            (Ipv6Addr::from_bits(self.low).into(), 128)
        };
        if self.length() == whole {
            write!(f, "{address}")
        } else {
            write!(f, "{address}/{}", self.length())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_contains_what_begins_like_it() {
        let cases = [
            ("192.0.2.0/24", "192.0.2.255", true),
            ("192.0.2.77/24", "192.0.2.1", true),
            ("192.0.2.0/24", "192.0.3.0", false),
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("::/0", "2001:db8::1", true),
            ("2001:db8::/32", "2001:db8:ffff::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
        ];
        for (range, address, expected) in cases {
            let (range, address): (AddressRange, IpAddr) =
                (range.parse().unwrap(), address.parse().unwrap());
            assert_eq!(range.contains(address), expected, "{range} {address}");
            let (low, high, bytes) = (range.low(), range.high(), address_bytes(address));
            assert_eq!(low <= bytes && bytes <= high, expected, "as a database compares");
            assert_eq!(AddressRange::from_stored(low, range.bits()), Ok(range));
        }
    }

    #[test]
    fn a_range_is_shown_as_it_is_read() {
        for (text, shown) in [
            ("192.0.2.7/24", "192.0.2.0/24"),
            ("192.0.2.7/32", "192.0.2.7"),
            ("192.0.2.7", "192.0.2.7"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("2001:db8::1/56", "2001:db8::/56"),
            ("::1", "::1"),
            ("0.0.0.0/0", "0.0.0.0/0"),
        ] {
            let range: AddressRange = text.parse().unwrap();
            assert_eq!(range.to_string(), shown);
            assert_eq!(shown.parse(), Ok(range));
        }
        for text in
            ["", "/", "1.2.3.4/33", "::/129", "1.2.3.4/+8", "1.2.3.4/", "a/8", "1.2.3.4/8/8"]
        {
            assert_eq!(text.parse::<AddressRange>(), Err(AddressRangeError), "{text}");
        }
    }

    #[test]
    fn a_network_is_a_range() {
        let prefix = Prefix::of("2001:db8:1:2ff::1".parse().unwrap());
        assert_eq!(AddressRange::from(prefix).to_string(), "2001:db8:1:200::/56");
    }
}
