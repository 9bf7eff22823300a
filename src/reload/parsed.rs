//! One file's text → what it was parsed to, with the files that took part: the part of a generation that is kept as long
//! as no text changes.

use std::cell::RefCell;
use std::sync::Arc;

use super::files::{FileText, NamedFile, NamedFiles};
use super::generation::Memory;
use crate::config::{self, Diagnostic, Diagnostics, Location, Named, Parsed, Source};
use crate::dns::Name;

/// What one file was parsed to, and from which texts.
#[derive(Clone, Debug)]
pub(super) struct ParsedFile {
    pub(super) hash: u64,
    /// Every file it names, and they name: when one of them changes, it is parsed again.
    pub(super) inputs: Vec<NamedInput>,
    /// When it is parsed again though no text changed, in seconds since 1970: measurements that it holds grow old.
    pub(super) expires: Option<u64>,
    pub(super) result: Option<Parsed>,
    pub(super) diagnostics: Diagnostics,
}

/// A file that took part in parsing another.
#[derive(Clone, Debug)]
pub(super) struct NamedInput {
    /// As shown.
    pub(super) path: Arc<str>,
    hash: u64,
    modified: u32,
}

impl ParsedFile {
    /// Whether the same texts would be parsed again, to the same result.
    pub(super) fn is_of(&self, file: &FileText, named: &NamedFiles, unix: u64) -> bool {
        self.hash == file.hash
            && self.expires.is_none_or(|expires| unix < expires)
            && self.inputs.iter().all(|input| named.read(&input.path).hash == input.hash)
    }

    /// Newest modification time of the files it names.
    pub(super) fn modified(&self) -> u32 {
        self.inputs.iter().map(|input| input.modified).max().unwrap_or(0)
    }
}

/// Gives named files and writes down which were asked for.
struct Recorder<'r> {
    read: &'r dyn Fn(&str) -> NamedFile,
    inputs: RefCell<Vec<NamedInput>>,
}

impl Named for Recorder<'_> {
    fn read(&self, path: &str) -> Result<Arc<[u8]>, String> {
        let NamedFile { hash, modified, octets } = (self.read)(path);
        let mut inputs = self.inputs.borrow_mut();
        if !inputs.iter().any(|input| &*input.path == path) {
            inputs.push(NamedInput { path: path.into(), hash, modified });
        }
        octets
    }
}

pub(super) fn parse_one(path: &Arc<str>, file: &FileText, named: &NamedFiles, unix: u64) -> ParsedFile {
    let recorder = Recorder { read: &|path| named.read(path), inputs: RefCell::default() };
    let (result, diagnostics) = match &file.text {
        Ok(text) => config::parse_with(&Source { path: Arc::clone(path), text: Arc::clone(text) }, &recorder, unix),
        Err(words) => (None, Diagnostics(vec![Diagnostic::error(whole(path), words.clone())])),
    };
    let expires = result.as_ref().and_then(Parsed::expires);
    ParsedFile { hash: file.hash, inputs: recorder.inputs.into_inner(), expires, result, diagnostics }
}

/// Gives the copies of the files that a last good copy names, and writes down which were asked for.
struct Copies<'c> {
    path: &'c str,
    memory: &'c dyn Memory,
    named: RefCell<Vec<Arc<str>>>,
}

impl Named for Copies<'_> {
    fn read(&self, path: &str) -> Result<Arc<[u8]>, String> {
        self.named.borrow_mut().push(path.into());
        self.memory.named_copy(self.path, path).ok_or_else(|| "has no copy".to_owned())
    }
}

/// A last good copy, with the copies of the files it names; it was accepted once, so what is wrong with it now is of no
/// interest, and how old its measurements are.
pub(super) fn parse_copy(path: &Arc<str>, text: &Arc<str>, memory: &dyn Memory) -> Option<Parsed> {
    let source = Source { path: Arc::clone(path), text: Arc::clone(text) };
    let copies = Copies { path, memory, named: RefCell::default() };
    let (parsed, diagnostics) = config::parse_with(&source, &copies, 0);
    parsed.filter(|_| !diagnostics.has_errors())
}

/// The files that a last good copy names.
pub(super) fn named_by(path: &Arc<str>, text: &Arc<str>, memory: &dyn Memory) -> Vec<Arc<str>> {
    let source = Source { path: Arc::clone(path), text: Arc::clone(text) };
    let copies = Copies { path, memory, named: RefCell::default() };
    config::parse_with(&source, &copies, 0);
    copies.named.into_inner()
}

/// The zone a file names in a line `zone: NAME`, for files that cannot be parsed as a whole.
pub(super) fn sniff_origin(text: &str) -> Option<Name> {
    let line = text.lines().find_map(|line| line.strip_prefix("zone:"))?;
    let word = line.split('#').next()?.trim().trim_matches(['"', '\'']);
    if word.is_empty() {
        // Nothing written is not the root zone, under which every name lies.
        return None;
    }
    Name::parse(&format!("{}.", word.trim_end_matches('.')), None).ok()
}

pub(super) fn whole(path: &Arc<str>) -> Location {
    Location { file: Arc::clone(path), line: 0, column: 0 }
}
