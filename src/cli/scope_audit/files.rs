//! The audit of the files here: through `query::respond`, as a packet would be answered.

use std::net::IpAddr;
use std::sync::Arc;

use super::{Answer, Asked, Question, RandomClients as _, Report, Told};
use crate::cli::Places;
use crate::dns::message::{HEADER, Header, Reader};
use crate::dns::{Name, Type, rdata};
use crate::evaluate::random::Random;
use crate::explain;
use crate::geo::SiteTable;
use crate::live::{AnswerId, Live, MapId};
use crate::net::{Block, Folded};
use crate::query::{Ecs, Outcome, Transport, Who, respond};
use crate::snapshot::{Snapshot, Steer};

/// First addresses of ranges that clients are taken from, at most, per family.
const EDGES: usize = 1 << 20;

pub(super) fn audit(places: &Places, question: &Question, samples: u64, seed: u64) -> anyhow::Result<Report> {
    let (snapshot, _, _) = crate::cli::explain::load(places)?;
    audit_snapshot(&snapshot, question, samples, seed)
}

/// Asks what a snapshot answers now.
pub(super) fn audit_snapshot(
    snapshot: &Snapshot,
    question: &Question,
    samples: u64,
    seed: u64,
) -> anyhow::Result<Report> {
    let mut asked = Files::new(snapshot, question);
    let clients = Clients::new(&snapshot.sites);
    let mut random = Random::new(seed);
    let mut report = Report::default();
    for sample in 0..samples {
        let client = clients.client(sample.is_multiple_of(2), &mut random);
        report.probe(&mut asked, client, &mut random)?;
    }
    Ok(report)
}

struct Files<'a> {
    snapshot: &'a Snapshot,
    live: Arc<Live>,
    /// What steers the name, or the name it leads to.
    steer: Option<Steer>,
    who: Who,
    /// The request without its client subnet's option, and where its length stands.
    head: Vec<u8>,
    request: Vec<u8>,
    out: Vec<u8>,
    rtype: Type,
}

impl<'a> Files<'a> {
    fn new(snapshot: &'a Snapshot, question: &Question) -> Self {
        // A resolver somewhere without a place: what client subnets leave to it is the same for all.
        let resolver = IpAddr::from([127, 0, 0, 1]);
        let who = Who {
            source: resolver,
            source_port: 0,
            destination: resolver,
            transport: Transport::Tcp,
            ecs: Ecs::On,
            now: 0,
        };
        Self {
            snapshot,
            live: Arc::clone(&snapshot.live()),
            steer: explain::steer_of(snapshot, &question.name),
            who,
            head: super::server::head(question, 0),
            request: Vec::new(),
            out: vec![0; 65_535],
            rtype: question.rtype,
        }
    }

    /// The decision for a client, by a number, and whether it is dealt.
    fn decision(&self, client: Block) -> (u32, bool) {
        let Some(steer) = &self.steer else { return (0, false) };
        let MapId(id) = steer.map;
        let (Some(map), Some(live)) = (self.snapshot.maps.get(id as usize), self.live.maps.get(id as usize)) else {
            return (0, false);
        };
        let folded = Folded::new(client.address(), client.length());
        match live.choose(map, &self.snapshot.sites, folded.block).answer {
            AnswerId::RESOLVER => (u32::MAX, false),
            id => (u32::from(id.0), live.answer(id).decision.is_split()),
        }
    }
}

impl Asked for Files<'_> {
    fn ask(&mut self, client: Block) -> anyhow::Result<Option<Told>> {
        self.request.clear();
        self.request.extend_from_slice(&self.head);
        super::server::put_subnet(client, &mut self.request);
        let Outcome::Responded(response) = respond(self.snapshot, &self.live, &self.who, &self.request, &mut self.out)
        else {
            return Ok(None);
        };
        let (decision, dealt) = self.decision(client);
        // From the flags to the end of the answer section.
        let body = self.out.get(..response.length).unwrap_or_default();
        let octets = answer_end(body).and_then(|end| body.get(2..end)).unwrap_or_default().into();
        Ok(Some(Told { scope: response.scope(), answer: Answer { octets, decision, dealt } }))
    }

    fn words(&self, answer: &Answer) -> String {
        let octets = [&[0, 0], &answer.octets[..]].concat();
        super::server::words(&octets, self.rtype)
    }
}

/// Where the answer section of a message ends.
fn answer_end(octets: &[u8]) -> Option<usize> {
    let mut reader = Reader::new(octets, HEADER);
    reader.skip_name()?;
    reader.take(4)?;
    for _ in 0..Header::read(octets)?.counts[1] {
        reader.take_record()?;
    }
    Some(reader.at())
}

/// Where clients are taken from: half of them anywhere, half near where ranges begin.
struct Clients {
    v4: Vec<u32>,
    v6: Vec<u128>,
}

impl Clients {
    fn new(sites: &SiteTable) -> Self {
        let v4 = sites.v4().iter().map(|found| found.start);
        let v6 = sites.v6().iter().map(|found| found.start);
        let (v4_step, v6_step) = (v4.clone().count() / EDGES + 1, v6.clone().count() / EDGES + 1);
        Self { v4: v4.step_by(v4_step).collect(), v6: v6.step_by(v6_step).collect() }
    }

    fn client(&self, is_ipv4: bool, random: &mut Random) -> Block {
        let length = random.length(is_ipv4);
        let near = random.below(2) == 0;
        let bits = random.bits();
        let address = if is_ipv4 {
            let at = self.v4[random.below(self.v4.len() as u64) as usize];
            IpAddr::V4(if near { at.wrapping_add(bits as u32 >> 16) } else { bits as u32 }.into())
        } else {
            let at = self.v6[random.below(self.v6.len() as u64) as usize];
            let noise = bits >> (48 + random.below(80) as u32);
            IpAddr::V6(if near { at.wrapping_add(noise) } else { 1 << 125 | bits >> 3 }.into())
        };
        Block::new(address, length)
    }
}

/// Shows a name or RDATA.
pub(super) fn show(rtype: Type, data: &[u8]) -> String {
    match rtype {
        Type::CNAME => Name::from_wire(data).map_or_else(|| "?".to_owned(), |name| name.to_string()),
        _ => rdata::show(rtype, data),
    }
}
