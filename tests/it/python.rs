//! Scripts that open our files with the Python libraries that people use; `KFLOW_PYTHON` names a Python that has them.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

/// What `tests/python/SCRIPT` prints for `args`; `None`, and a line that says why, where Python or a library is not
/// there.
#[track_caller]
pub fn read_by(script: &str, args: &[&OsStr]) -> Option<String> {
    let python = std::env::var("KFLOW_PYTHON").unwrap_or_else(|_| "python3".into());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python").join(script);
    let Ok(run) = Command::new(&python).arg(path).args(args).output() else {
        eprintln!("SKIPPED: {python} is not there; KFLOW_PYTHON names another one");
        return None;
    };
    let (out, err) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    if run.status.code() == Some(77) {
        eprintln!("{} (pip install -r tests/python/requirements.txt)", out.trim());
        return None;
    }
    assert!(run.status.success(), "{out}\n{err}");
    Some(out.into_owned())
}
