//! Where a request comes from, as far as a network tells.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv6Addr};

/// The part of an address that one client cannot change at will: an IPv4 address, or the
/// /64 of an IPv6 address, of which a client has all 2^64.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    prefix: String,
    network: Option<String>,
}

impl Address {
    /// The address of a peer; all peers whose address is no IP address are one.
    ///
    /// ```
    /// use relatch::Address;
    /// assert_eq!(Address::from_peer("203.0.113.7").prefix(), "203.0.113.7");
    /// assert_eq!(Address::from_peer("2001:db8:1:2:3:4:5:6").prefix(), "2001:db8:1:2::/64");
    /// ```
    pub fn from_peer(text: &str) -> Self {
        match text.parse().map(|ip: IpAddr| ip.to_canonical()) {
            Ok(IpAddr::V4(ip)) => Self { prefix: ip.to_string(), network: None },
            Ok(IpAddr::V6(ip)) => Self { prefix: first(ip, 4), network: Some(first(ip, 3)) },
            Err(_) => Self { prefix: "unknown".to_owned(), network: None },
        }
    }

    /// The address or its /64, as text.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The /48 around it, which one customer of a provider may have whole.
    pub fn network(&self) -> Option<&str> {
        self.network.as_deref()
    }
}

/// The prefix of so many groups of 16 bits.
fn first(ip: Ipv6Addr, groups: usize) -> String {
    let mut kept = [0; 8];
    kept.iter_mut().zip(ip.segments()).take(groups).for_each(|(kept, group)| *kept = group);
    let mut text = Ipv6Addr::from(kept).to_string();
    let _ = write!(text, "/{}", groups * 16);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_cannot_choose_its_prefix() {
        for same in ["2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:0DB8:0001:0002::"] {
            let address = Address::from_peer(same);
            assert_eq!(
                (address.prefix(), address.network()),
                ("2001:db8:1:2::/64", Some("2001:db8:1::/48")),
                "{same}"
            );
        }
        assert_ne!(Address::from_peer("2001:db8:1:3::1").prefix(), "2001:db8:1:2::/64");
    }

    #[test]
    fn an_ipv4_address_is_one_however_it_is_written() {
        for same in ["203.0.113.7", "::ffff:203.0.113.7", "::ffff:cb00:7107"] {
            assert_eq!(
                Address::from_peer(same),
                Address { prefix: "203.0.113.7".to_owned(), network: None },
                "{same}"
            );
        }
    }

    #[test]
    fn what_is_no_address_is_one_prefix() {
        for text in ["", "unknown", "203.0.113.7:443", "203.0.113", "test-invoke-source-ip", "fe80::1%eth0"] {
            assert_eq!(Address::from_peer(text).prefix(), "unknown", "{text:?}");
        }
    }
}
