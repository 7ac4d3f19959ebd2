//! The processes of the nodes. None of them outlives this one: whoever drops [`super::nodes::Nodes`] kills
//! them, and each ends by itself when its standard input does, which is held open here.

use std::collections::BTreeMap;
use std::io::Error;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// By participant. Every clone means the same ones.
#[derive(Clone, Default)]
pub struct Children(Arc<Mutex<BTreeMap<String, Child>>>);

fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

impl Children {
    fn all(&self) -> MutexGuard<'_, BTreeMap<String, Child>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts one, and gives what it writes. From here on it is known, whatever comes next.
    pub fn start(&self, name: &str, command: &mut Command) -> Result<ChildStdout, Error> {
        let mut all = self.all();
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let out = child.stdout.take();
        if let Some(mut before) = all.insert(name.to_owned(), child) {
            end(&mut before);
        }
        out.ok_or_else(|| Error::other("it has no output"))
    }

    pub fn runs(&self, name: &str) -> bool {
        self.all().contains_key(name)
    }

    pub fn names(&self) -> Vec<String> {
        self.all().keys().cloned().collect()
    }

    /// The process of a participant's node.
    pub fn process(&self, name: &str) -> Option<u32> {
        self.all().get(name).map(Child::id)
    }

    /// Whether it ended by itself.
    pub fn has_ended(&self, name: &str) -> bool {
        self.all().get_mut(name).is_none_or(|child| !matches!(child.try_wait(), Ok(None)))
    }

    /// Kills one as a crash would.
    pub fn kill(&self, name: &str) {
        let child = self.all().remove(name);
        if let Some(mut child) = child {
            end(&mut child);
        }
    }

    /// Kills all.
    pub fn end(&self) {
        for mut child in std::mem::take(&mut *self.all()).into_values() {
            end(&mut child);
        }
    }

    /// Kills all. Whoever would start another one, or ask for one, waits for this process to end.
    pub fn end_for_good(&self) {
        let mut all = self.all();
        all.values_mut().for_each(end);
        std::mem::forget(all);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_is_left() {
        let children = Children::default();
        // What reads its standard input to the end, as a node does that is told to.
        let cat = || Command::new("cat");
        drop(children.start("a", &mut cat()).expect("it starts"));
        drop(children.start("b", &mut cat()).expect("it starts"));
        assert_eq!(children.names(), ["a", "b"]);
        assert!(!children.has_ended("a"));
        children.kill("a");
        assert!(!children.runs("a") && children.runs("b"));
        let id = children.process("b").expect("it runs");
        children.end();
        assert!(children.names().is_empty());
        assert!(!std::path::Path::new(&format!("/proc/{id}")).exists());
    }
}
