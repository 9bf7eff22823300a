//! `state/overrides.json` and `state/audit.log`: what the operator said, kept over restarts, and the record of it. Both
//! are described in `docs/operations.md`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tracing::error;

use super::known::unix_ms;
use crate::health::overrides::{ALL, Done, Order, Override, Overrides, Scope, Word};

/// The version of the file's format.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Kept {
    version: u32,
    overrides: Vec<Row>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    service: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pop: Option<String>,
    word: Words,
    /// Seconds since 1970.
    since: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    over_seconds: Option<u64>,
    /// Permille.
    #[serde(default = "all")]
    from_share: u16,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    by: String,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Words {
    Up,
    Down,
    Drain,
    Return,
}

fn all() -> u16 {
    ALL
}

/// The overrides of an earlier run. A file that cannot be understood is put aside, said loudly, and there are none.
pub(super) fn read(path: &Path) -> Overrides {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Overrides::default(),
        Err(error) => {
            error!(path = %path.display(), %error, "the overrides cannot be read: NO drain and no override is in force");
            return Overrides::default();
        }
    };
    parse(&text).unwrap_or_else(|words| {
        let mut aside = path.as_os_str().to_owned();
        aside.push(format!(".corrupt-{}", unix_ms() / 1000));
        let kept = match fs::rename(path, &aside) {
            Ok(()) => format!("kept aside as {}", Path::new(&aside).display()),
            Err(error) => format!("it could not be put aside: {error}"),
        };
        error!(path = %path.display(), error = words, "the overrides cannot be read: NO drain and no override is in force; {kept}");
        Overrides::default()
    })
}

/// The overrides a server keeps, for commands beside it: nothing is put aside, and nothing said.
pub(super) fn peek(path: &Path) -> Overrides {
    fs::read(path).ok().and_then(|text| parse(&text).ok()).unwrap_or_default()
}

fn parse(text: &[u8]) -> Result<Overrides, String> {
    let kept: Kept = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    if kept.version != VERSION {
        return Err(format!("version {} is not known here", kept.version));
    }
    let list: Result<Vec<_>, String> = kept.overrides.into_iter().map(Row::into_override).collect();
    Ok(Overrides::new(list?))
}

/// Replaces the file whole and waits until it is on the disk.
pub(super) fn write(path: &Path, overrides: &Overrides) -> io::Result<()> {
    let kept = Kept { version: VERSION, overrides: overrides.list().iter().map(Row::of).collect() };
    let mut text = serde_json::to_vec_pretty(&kept)?;
    text.push(b'\n');
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}.new", std::process::id()));
    let fresh = path.with_file_name(name);
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(directory)?;
    let written = File::create(&fresh)
        .and_then(|mut file| file.write_all(&text).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&fresh, path));
    written.inspect_err(|_| {
        // The half-made file is of no use to anyone; that it may stay is all that can go wrong here.
        let _ = fs::remove_file(&fresh);
    })?;
    // The new name is on the disk when the directory is.
    File::open(directory)?.sync_all()
}

impl Row {
    fn of(item: &Override) -> Self {
        let (service, pop) = match &item.scope {
            Scope::Pop(pop) => (None, Some(pop.clone())),
            Scope::Service(service) => (Some(service.clone()), None),
            Scope::Both { service, pop } => (Some(service.clone()), Some(pop.clone())),
        };
        Self {
            service,
            pop,
            word: match item.word {
                Word::Up => Words::Up,
                Word::Down => Words::Down,
                Word::Drain => Words::Drain,
                Word::Return => Words::Return,
            },
            since: item.since,
            until: item.until,
            over_seconds: item.over.map(|over| over.as_secs()),
            from_share: item.from_share,
            reason: item.reason.clone(),
            by: item.by.clone(),
        }
    }

    fn into_override(self) -> Result<Override, String> {
        let scope = match (self.service, self.pop) {
            (None, Some(pop)) => Scope::Pop(pop),
            (Some(service), None) => Scope::Service(service),
            (Some(service), Some(pop)) => Scope::Both { service, pop },
            (None, None) => return Err("an override names neither service nor PoP".to_owned()),
        };
        Ok(Override {
            scope,
            word: match self.word {
                Words::Up => Word::Up,
                Words::Down => Word::Down,
                Words::Drain => Word::Drain,
                Words::Return => Word::Return,
            },
            since: self.since,
            until: self.until,
            over: self.over_seconds.map(Duration::from_secs),
            from_share: self.from_share.min(ALL),
            reason: self.reason,
            by: self.by,
        })
    }
}

/// A line of the audit log.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Line {
    time: String,
    by: String,
    action: &'static str,
    target: String,
    reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    over_seconds: Option<u64>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    force: bool,
}

impl Line {
    pub(super) fn of_order(order: &Order, done: &Done) -> Self {
        Self {
            time: moment(unix_ms() / 1000),
            by: order.by.clone(),
            action: order.action.as_str(),
            target: done.scope.to_string(),
            reason: order.reason.trim().to_owned(),
            until: done.set.as_ref().and_then(|set| set.until).map(moment),
            over_seconds: order.over.map(|over| over.as_secs()),
            force: order.force,
        }
    }

    /// Of an override that has ended by itself.
    pub(super) fn of_end(ended: &Override) -> Self {
        Self {
            time: moment(unix_ms() / 1000),
            by: ended.by.clone(),
            action: "end",
            target: ended.scope.to_string(),
            reason: ended.reason.clone(),
            until: ended.until.map(moment),
            over_seconds: ended.over.map(|over| over.as_secs()),
            force: false,
        }
    }
}

/// Appends lines of JSON, and waits until they are on the disk.
pub(super) fn audit(path: &Path, lines: &[Line]) -> io::Result<()> {
    let mut text = Vec::new();
    for line in lines {
        serde_json::to_writer(&mut text, line)?;
        text.push(b'\n');
    }
    let mut file = OpenOptions::new().append(true).create(true).open(path)?;
    file.write_all(&text)?;
    file.sync_data()
}

/// RFC 3339, of seconds since 1970.
pub(super) fn moment(unix: u64) -> String {
    let time = i64::try_from(unix).ok().and_then(|unix| jiff::Timestamp::from_second(unix).ok());
    time.map_or_else(|| unix.to_string(), |time| time.to_string())
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn overrides() -> Overrides {
        let item = |scope, word| Override {
            scope,
            word,
            since: 1_700_000_000,
            until: None,
            over: None,
            from_share: ALL,
            reason: "maintenance".to_owned(),
            by: "alice".to_owned(),
        };
        let both = Scope::Both { service: "web".to_owned(), pop: "fra".to_owned() };
        Overrides::new(vec![
            Override { until: Some(1_700_000_600), ..item(Scope::Pop("fra".to_owned()), Word::Drain) },
            item(Scope::Service("web".to_owned()), Word::Down),
            Override { over: Some(Duration::from_mins(1)), from_share: 500, ..item(both, Word::Return) },
        ])
    }

    #[test]
    fn what_is_written_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state/overrides.json");
        assert_eq!(read(&path), Overrides::default());
        write(&path, &overrides()).unwrap();
        assert_eq!(read(&path), overrides());
        let text = fs::read_to_string(&path).unwrap();
        expect![[r#"
            {
              "version": 1,
              "overrides": [
                {
                  "pop": "fra",
                  "word": "drain",
                  "since": 1700000000,
                  "until": 1700000600,
                  "from_share": 1000,
                  "reason": "maintenance",
                  "by": "alice"
                },
                {
                  "service": "web",
                  "word": "down",
                  "since": 1700000000,
                  "from_share": 1000,
                  "reason": "maintenance",
                  "by": "alice"
                },
                {
                  "service": "web",
                  "pop": "fra",
                  "word": "return",
                  "since": 1700000000,
                  "over_seconds": 60,
                  "from_share": 500,
                  "reason": "maintenance",
                  "by": "alice"
                }
              ]
            }
        "#]]
        .assert_eq(&text);
        // Written again, and nothing else is left there.
        write(&path, &Overrides::default()).unwrap();
        assert_eq!(read(&path), Overrides::default());
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_is_not_understood_is_put_aside() {
        let good = r#"{"version": 1, "overrides": [{"pop": "fra", "word": "drain", "since": 1}]}"#;
        let cases = [
            (good, true),
            ("", false),
            ("{", false),
            (r#"{"version": 2, "overrides": []}"#, false),
            (r#"{"version": 1, "overrides": [{"word": "drain", "since": 1}]}"#, false),
            (r#"{"version": 1, "overrides": [{"pop": "fra", "word": "dran", "since": 1}]}"#, false),
        ];
        for (text, understood) in cases {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("overrides.json");
            fs::write(&path, text).unwrap();
            assert_eq!(peek(&path).list().len(), usize::from(understood), "{text}");
            assert_eq!(read(&path).list().len(), usize::from(understood), "{text}");
            assert_eq!(path.exists(), understood, "{text}");
            let entry = fs::read_dir(directory.path()).unwrap().next().unwrap().unwrap();
            assert_eq!(fs::read_to_string(entry.path()).unwrap(), text);
        }
    }

    #[test]
    fn audit_lines_are_appended_and_cannot_be_forged() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("audit.log");
        let line = |reason: &str| Line {
            time: "2026-01-01T00:00:00Z".to_owned(),
            by: "alice".to_owned(),
            action: "drain",
            target: "fra".to_owned(),
            reason: reason.to_owned(),
            until: Some("2026-01-01T02:00:00Z".to_owned()),
            over_seconds: None,
            force: true,
        };
        audit(&path, &[line("a\nb\"")]).unwrap();
        audit(&path, &[line("c")]).unwrap();
        expect![[r#"
            {"time":"2026-01-01T00:00:00Z","by":"alice","action":"drain","target":"fra","reason":"a\nb\"","until":"2026-01-01T02:00:00Z","force":true}
            {"time":"2026-01-01T00:00:00Z","by":"alice","action":"drain","target":"fra","reason":"c","until":"2026-01-01T02:00:00Z","force":true}
        "#]].assert_eq(&fs::read_to_string(&path).unwrap());
    }
}
