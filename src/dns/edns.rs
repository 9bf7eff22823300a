//! The OPT record (RFC 6891) and its options: NSID (RFC 5001), cookies (RFC 7873, RFC 9018), keepalive (RFC 7828),
//! padding (RFC 7830), extended errors (RFC 8914); client subnet is [`super::ecs`].

use std::net::IpAddr;

use siphasher::sip::SipHasher24;

use super::ecs::{ClientSubnet, Ecs};
use super::message::RecordRef;

/// Octets of an OPT record without options.
pub const OPT: usize = 11;
/// Option codes of the IANA registry.
pub mod code {
    /// RFC 5001.
    pub const NSID: u16 = 3;
    /// RFC 7871.
    pub const ECS: u16 = 8;
    /// RFC 7873.
    pub const COOKIE: u16 = 10;
    /// RFC 7828.
    pub const KEEPALIVE: u16 = 11;
    /// RFC 7830.
    pub const PADDING: u16 = 12;
    /// RFC 8914.
    pub const EDE: u16 = 15;
}

/// An extended error (RFC 8914): a code of its registry and a text of at most 24 octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtendedError {
    /// INFO-CODE.
    pub code: u16,
    /// EXTRA-TEXT.
    pub text: &'static str,
}

impl ExtendedError {
    /// Octets of the longest text.
    pub const MAX_TEXT: usize = 24;
    /// Health was ignored for want of a usable PoP.
    pub const FAIL_OPEN: Self = Self { code: 0, text: "fail-open" };
    /// Health was ignored, as too little of a tier is usable.
    pub const PANIC: Self = Self { code: 0, text: "panic" };
    /// The policy's fallback addresses, for want of a usable PoP.
    pub const FALLBACK: Self = Self { code: 0, text: "fallback" };
    /// Nothing may be answered, and the policy says to fail.
    pub const NO_POP: Self = Self { code: 0, text: "no usable PoP" };
    /// A configured zone that could not be loaded.
    pub const NOT_READY: Self = Self { code: 14, text: "zone not loaded" };
    /// An operation this server does not offer.
    pub const PROHIBITED: Self = Self { code: 18, text: "" };
    /// A name outside every zone.
    pub const NOT_AUTHORITATIVE: Self = Self { code: 20, text: "" };
    /// A type that is not asked for.
    pub const INVALID_TYPE: Self = Self { code: 30, text: "" };
}

/// A request's OPT record, its options not yet read.
#[derive(Clone, Copy, Debug)]
pub struct Opt<'p> {
    /// The client's UDP payload size, as sent.
    pub payload: u16,
    /// EDNS version.
    pub version: u8,
    /// DO: the client reads DNSSEC records. Copied to the response (RFC 3225 §3).
    pub dnssec_ok: bool,
    options: &'p [u8],
}

impl<'p> Opt<'p> {
    /// From the octets of the only record behind the question, if they are an OPT record and nothing else.
    #[inline]
    pub fn read_only(octets: &'p [u8]) -> Option<Self> {
        let (&[0, 0, 41, p0, p1, _, version, f0, _, l0, l1], options) = octets.split_first_chunk::<OPT>()? else {
            return None;
        };
        let whole = options.len() == usize::from(u16::from_be_bytes([l0, l1]));
        whole.then_some(Self { payload: u16::from_be_bytes([p0, p1]), version, dnssec_ok: f0 & 0x80 != 0, options })
    }

    /// Whether there is any option.
    #[inline]
    pub fn has_options(&self) -> bool {
        !self.options.is_empty()
    }

    /// The data of the one option there is, if it has this code.
    #[inline]
    pub fn only_option(&self, code: u16) -> Option<&'p [u8]> {
        let (&[c0, c1, l0, l1], data) = self.options.split_first_chunk::<4>()?;
        let is_all = u16::from_be_bytes([c0, c1]) == code && data.len() == usize::from(u16::from_be_bytes([l0, l1]));
        is_all.then_some(data)
    }

    /// From a record of type OPT; `None` when its owner is not the root.
    pub fn read(record: &RecordRef<'p>) -> Option<Self> {
        (record.owner == [0]).then_some(Self {
            payload: record.class.0,
            version: (record.ttl >> 16) as u8,
            dnssec_ok: record.ttl & 0x8000 != 0,
            options: record.rdata,
        })
    }

    /// Reads the options; of one that stands twice the first counts, but for client subnets. `None` when one is
    /// malformed (SEMANTICS §1.3, §5.8). With `ecs` off a client subnet is an option like any unknown one, whatever is in
    /// it.
    #[inline]
    pub fn options(&self, ecs: Ecs) -> Option<Options<'p>> {
        let mut options = Options::default();
        let mut rest = self.options;
        while let Some((head, after)) = rest.split_first_chunk::<4>() {
            let [c0, c1, l0, l1] = *head;
            let (data, after) = after.split_at_checked(usize::from(u16::from_be_bytes([l0, l1])))?;
            rest = after;
            match u16::from_be_bytes([c0, c1]) {
                code::NSID => options.nsid = true,
                code::ECS if ecs == Ecs::Off => {}
                code::ECS if options.ecs.is_some() => return None,
                code::ECS => options.ecs = Some(ClientSubnet::read(data).ok()?),
                code::COOKIE => {
                    let cookie = CookieOption::read(data)?;
                    options.cookie = options.cookie.or(Some(cookie));
                }
                code::KEEPALIVE => options.keepalive = true,
                code::PADDING => options.padding = true,
                _ => {}
            }
        }
        rest.is_empty().then_some(options)
    }
}

/// What a request's options ask for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options<'p> {
    /// Who the client is.
    pub ecs: Option<ClientSubnet<'p>>,
    /// A cookie to check and to answer.
    pub cookie: Option<CookieOption<'p>>,
    /// Which server this is.
    pub nsid: bool,
    /// How long an idle connection is kept.
    pub keepalive: bool,
    /// A response of a length that tells little.
    pub padding: bool,
}

/// A cookie option: 8 octets of the client's, and the server's cookie it was given before, if any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CookieOption<'p> {
    data: &'p [u8],
    /// The client's part.
    pub client: [u8; 8],
    /// The server's part, 8 to 32 octets; `None` in a first query.
    pub server: Option<&'p [u8]>,
}

impl<'p> CookieOption<'p> {
    /// Octets of a whole cookie in a response, code and length included.
    pub const ECHO: usize = 4 + 8 + 16;

    /// Reads 8, or 16 to 40 octets (RFC 7873 §4).
    #[inline]
    pub fn read(data: &'p [u8]) -> Option<Self> {
        let (client, server) = data.split_first_chunk::<8>()?;
        let server = match server.len() {
            0 => None,
            8..=32 => Some(server),
            _ => return None,
        };
        Some(Self { data, client: *client, server })
    }

    /// The option's data.
    #[inline]
    pub fn data(&self) -> &'p [u8] {
        self.data
    }
}

/// A server cookie (RFC 9018 §4): version 1, three reserved octets, timestamp, hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerCookie(pub [u8; 16]);

/// What a server cookie is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Ours, and recent: give it back.
    Good,
    /// Ours, valid, and due for a new one.
    Renew,
    /// Not ours, or too old, or from the future.
    Bad,
}

impl ServerCookie {
    /// Seconds a cookie is valid.
    const LIFE: u32 = 3600;
    /// Seconds a cookie may come from the future: clocks of anycast nodes differ.
    const AHEAD: u32 = 300;
    /// Seconds after which a new one is given.
    const RENEW: u32 = 1800;

    /// Makes a cookie for a client at `now` (seconds since 1970, its lower 32 bits).
    pub fn new(secret: &[u8; 16], client: [u8; 8], now: u32, source: IpAddr) -> Self {
        let [t0, t1, t2, t3] = now.to_be_bytes();
        Self::with_head(secret, client, [1, 0, 0, 0, t0, t1, t2, t3], source)
    }

    /// Version, reserved octets and timestamp as given, and their hash.
    fn with_head(secret: &[u8; 16], client: [u8; 8], head: [u8; 8], source: IpAddr) -> Self {
        // In one piece: client's part, head, address (RFC 9018 §4.4).
        let (address, length) = match source {
            IpAddr::V4(source) => (u128::from(source.to_bits()) << 96, 20),
            IpAddr::V6(source) => (source.to_bits(), 32),
        };
        let [upper, lower] = [(address >> 64) as u64, address as u64].map(u64::to_be_bytes);
        let hashed = [client, head, upper, lower];
        let hashed = hashed.as_flattened();
        let hash = SipHasher24::new_with_key(secret).hash(hashed.get(..length).unwrap_or(hashed));
        let mut cookie = [0; 16];
        let (to_head, to_hash) = cookie.split_at_mut(8);
        to_head.copy_from_slice(&head);
        to_hash.copy_from_slice(&hash.to_le_bytes());
        Self(cookie)
    }

    /// Checks a cookie against secrets, with the serial arithmetic of RFC 1982 on its timestamp.
    pub fn check(secrets: &[[u8; 16]], option: &CookieOption<'_>, now: u32, source: IpAddr) -> Verdict {
        let Some(server) = option.server.filter(|cookie| cookie.len() == 16) else { return Verdict::Bad };
        // The reserved octets are hashed as they came (RFC 9018 §4.2).
        let Some(&head @ [1, _, _, _, t0, t1, t2, t3]) = server.first_chunk::<8>() else { return Verdict::Bad };
        let age = now.wrapping_sub(u32::from_be_bytes([t0, t1, t2, t3])).cast_signed();
        if age > Self::LIFE.cast_signed() || age < -Self::AHEAD.cast_signed() {
            return Verdict::Bad;
        }
        let ours = |secret: &[u8; 16]| {
            // As two numbers, all of them compared: the time taken tells nothing of where they differ.
            let made = Self::with_head(secret, option.client, head, source);
            server.try_into().is_ok_and(|server| u128::from_ne_bytes(made.0) == u128::from_ne_bytes(server))
        };
        match secrets.iter().any(ours) {
            false => Verdict::Bad,
            true if age > Self::RENEW.cast_signed() => Verdict::Renew,
            true => Verdict::Good,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unhex<const N: usize>(text: &str) -> [u8; N] {
        let octets: Vec<u8> =
            (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect();
        octets.try_into().unwrap()
    }

    #[track_caller]
    fn check(secret: &str, client: &str, cookie: &str, source: &str, verdicts: [Verdict; 2]) {
        let (secret, client, cookie) = (unhex::<16>(secret), unhex::<8>(client), unhex::<16>(cookie));
        let source = source.parse().unwrap();
        let made = u32::from_be_bytes(cookie[4..8].try_into().unwrap());
        let octets = [client.as_slice(), &cookie].concat();
        let option = CookieOption::read(&octets).unwrap();
        let check = |now| ServerCookie::check(&[secret], &option, now, source);
        assert_eq!([check(made), check(made + 2000)], verdicts);
    }

    /// RFC 9018 appendix A: a new server cookie, one of another client with reserved octets set, one for IPv6; and one of
    /// another secret.
    #[test]
    fn cookies_of_the_rfc() {
        use Verdict::{Bad, Good, Renew};
        let secret = "e5e973e5a6b2a43f48e7dc849e37bfcf";
        let first = "010000005cf79f111f8130c3eee29480";
        check(secret, "2464c4abcf10c957", first, "198.51.100.100", [Good, Renew]);
        check(secret, "fc93fc62807ddb86", "01abcdef5cf78f71a314227b6679ebf5", "203.0.113.203", [Good, Renew]);
        let v6 = "445536bcd2513298075a5d379663c962";
        check(
            v6,
            "22681ab97d52c298",
            "010000005cf7c609a6bb79d16625507a",
            "2001:db8:220:1:59de:d0f4:8769:82b8",
            [Good, Renew],
        );
        check(v6, "2464c4abcf10c957", first, "198.51.100.100", [Bad, Bad]);
        let made = ServerCookie::new(
            &unhex(secret),
            unhex("2464c4abcf10c957"),
            1_559_731_985,
            "198.51.100.100".parse().unwrap(),
        );
        assert_eq!(made.0, unhex(first));
    }

    #[test]
    fn cookies_age() {
        let (secret, source) = ([7; 16], "192.0.2.1".parse().unwrap());
        let cookie = ServerCookie::new(&secret, [1; 8], 10_000, source);
        let octets = [[1; 8].as_slice(), &cookie.0].concat();
        let option = CookieOption::read(&octets).unwrap();
        let check = |now| ServerCookie::check(&[[9; 16], secret], &option, now, source);
        assert_eq!(check(10_000), Verdict::Good);
        assert_eq!(check(11_800), Verdict::Good);
        assert_eq!(check(11_801), Verdict::Renew);
        assert_eq!(check(13_600), Verdict::Renew);
        assert_eq!(check(13_601), Verdict::Bad);
        assert_eq!(check(9_700), Verdict::Good);
        assert_eq!(check(9_699), Verdict::Bad);
        assert_eq!(ServerCookie::check(&[[9; 16]], &option, 10_000, source), Verdict::Bad);
        assert_eq!(ServerCookie::check(&[secret], &option, 10_000, "192.0.2.2".parse().unwrap()), Verdict::Bad);
    }
}
