//! RDATA text of any type: what is accepted reads back from its RFC 3597 form, and with a second codec.
//!
//! The first two octets are the type, the rest is the text.

#![no_main]

use catchment::dns::{Name, Type, rdata};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((rtype, text)) = input.split_first_chunk::<2>() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let rtype = Type(u16::from_be_bytes(*rtype));
    let origin = Name::parse("example.com.", None).expect("a name");
    let Ok(data) = rdata::parse(rtype, text, &origin) else { return };
    assert!(data.wire.len() <= usize::from(u16::MAX));
    let hex: String = data.wire.iter().map(|octet| format!("{octet:02x}")).collect();
    let generic = format!("\\# {} {hex}", data.wire.len());
    let again = rdata::parse(rtype, &generic, &origin).expect("RFC 3597 §5: its own data in generic form");
    assert_eq!(again, data);
    if let Some(target) = data.target(rtype) {
        assert!(target.as_wire().len() <= 255);
    }
});
