//! The message reader on any octets: it never reads past the end, and never goes back.

#![no_main]

use catchment::dns::ecs::Ecs;
use catchment::dns::edns::Opt;
use catchment::dns::message::{HEADER, Header, Reader, split_name};
use catchment::dns::{FoldedName, Name, Type};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|packet: &[u8]| {
    let Some(header) = Header::read(packet) else {
        assert!(packet.len() < HEADER);
        return;
    };
    let mut reader = Reader::new(packet, HEADER);
    let mut name = FoldedName::new();
    if header.counts[0] > 0 && reader.take_name(&mut name).is_some() {
        let wire = &packet[HEADER..reader.at()];
        assert_eq!(name.as_wire(), wire.to_ascii_lowercase(), "folded is lower-cased and nothing else");
        let read = Name::from_wire(wire).expect("both readers agree");
        assert_eq!(split_name(wire), Some((wire, &[][..])));
        // Text and back: every octet survives.
        assert_eq!(Name::parse(&read.to_string(), None).expect("its own text"), read);
        let _ = reader.take_u16().zip(reader.take_u16());
    }
    let mut before = reader.at();
    while let Some(record) = reader.take_record() {
        assert!(before < reader.at() && reader.at() <= packet.len());
        before = reader.at();
        if record.rtype == Type::OPT
            && let Some(options) = Opt::read(&record).and_then(|opt| opt.options(Ecs::On))
            && let Some(ecs) = options.ecs
        {
            assert!(ecs.source() <= ecs.width());
            let (head, tail) = ecs.echo();
            assert_eq!(head.len() + 1 + tail.len() + 4, ecs.echo_length());
        }
    }
});
