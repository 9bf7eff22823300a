//! Files that other files name (`zonefile:`, `$INCLUDE`): which path is meant, and who reads it.
//!
//! A name is relative to the file it stands in and stays inside the directory of zone files. What the words alone can
//! tell is refused here; that no link leads outside is for the one who reads, because only the file system knows.

use std::sync::Arc;

/// Reads named files. The one who implements this remembers what was asked for, so that a change of it is a change of
/// the zone.
pub trait Named {
    /// The octets of the file at a path as it is shown to the operator, or why there are none, in words.
    ///
    /// # Errors
    /// The words: `cannot be read: …`.
    fn read(&self, path: &str) -> Result<Arc<[u8]>, String>;
}

/// No files at all: for texts that stand alone.
#[derive(Clone, Copy, Debug)]
pub struct NoFiles;

impl Named for NoFiles {
    fn read(&self, _path: &str) -> Result<Arc<[u8]>, String> {
        Err("cannot be read: there are no files here".to_owned())
    }
}

/// The path that `written` means in the file `from`, or what is wrong with it and what would be right.
pub(super) fn resolve(from: &str, written: &str) -> Result<Arc<str>, (String, &'static str)> {
    const HELP: &str = "name a file beside this one, or below it, for example `db.example.com`";
    let refuse = |why: &str| Err((format!("`{written}` {why}"), HELP));
    if written.is_empty() || written.ends_with('/') || written.contains('\0') {
        return refuse("is not the name of a file");
    }
    if written.starts_with('/') {
        return refuse("is an absolute path; only files in the directory of zone files are read");
    }
    let mut path: Vec<&str> = from.split('/').collect();
    path.pop();
    for part in written.split('/') {
        match part {
            ".." => return refuse("leads upward by `..`; only files beside this one or below it are read"),
            "" | "." => {}
            part => path.push(part),
        }
    }
    Ok(path.join("/").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(from: &str, written: &str, expected: Result<&str, &str>) {
        let got = resolve(from, written).map_err(|(why, _)| why);
        assert_eq!(got.as_deref().map_err(String::as_str), expected);
    }

    #[test]
    fn names_stay_inside() {
        check("zones/a.yaml", "db.a", Ok("zones/db.a"));
        check("a.yaml", "db.a", Ok("db.a"));
        check("/etc/zones/sub/a.yaml", "./x//y/db.a", Ok("/etc/zones/sub/x/y/db.a"));
        check("zones/a.yaml", "x..y", Ok("zones/x..y"));
        let upward = "leads upward by `..`; only files beside this one or below it are read";
        check("zones/a.yaml", "../a", Err(&format!("`../a` {upward}")));
        check("zones/a.yaml", "x/../a", Err(&format!("`x/../a` {upward}")));
        check(
            "zones/a.yaml",
            "/etc/passwd",
            Err("`/etc/passwd` is an absolute path; only files in the directory of zone files are read"),
        );
        check("zones/a.yaml", "", Err("`` is not the name of a file"));
        check("zones/a.yaml", "x/", Err("`x/` is not the name of a file"));
    }
}
