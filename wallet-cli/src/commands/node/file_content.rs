//! The content of files: cut into the node's folder, and joined from there. The node sees neither the
//! content nor, of a file that it fetches, more of the key than is in the message.

use super::client::ask;
use super::file::line;
use super::{folder, half_file};
use crate::codes;
use crate::context::{GlobalArgs, OutputArgs};
use crate::output::Failure;
use crate::shown::shown;
use crate::warnings;
use gridpass_credentials::content_id::ContentId;
use gridpass_messaging::codes as messaging_codes;
use gridpass_messaging::files::{
    BLOCK, FileError, FileKey, Held, MAX_BLOCKS, Reference, room_for, stage as files_stage,
};
use gridpass_messaging::node::control::Asked;
use gridpass_messaging::node::files_of;
use serde_json::Value;
use std::fs::{File, Metadata};
use std::io::{BufWriter, IsTerminal as _, Write};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often the node is asked how far it is.
const ASK: Duration = Duration::from_millis(250);
/// How often progress is told where it is not a terminal.
const TELL: Duration = Duration::from_secs(5);
/// How often a file is joined again whose damaged blocks were all fetched anew.
const TRIES: u32 = 3;

/// A file that the node keeps from now on.
pub(super) struct Sent {
    pub file: ContentId,
    pub size: u64,
    pub key: Option<FileKey>,
    pub sealed: bool,
    /// Whether the node had it not before.
    pub new: bool,
}

/// What was sent before, under the reference that is asked for.
pub(super) struct Before {
    channel: ContentId,
    sealed: bool,
    file: Option<Reference>,
}

impl Before {
    /// Whether nobody can say any more which file it was.
    pub(super) fn is_shut(&self) -> bool {
        self.sealed && self.file.is_none()
    }

    /// A file in the open, as if it was sent.
    #[cfg(test)]
    pub(super) fn of(file: &ContentId) -> Self {
        let file = Reference {
            manifest: file.clone(),
            size: 0,
            name: "map.bin".into(),
            media_type: "application/octet-stream".into(),
            key: None,
        };
        Self { channel: file.manifest.clone(), sealed: false, file: Some(file) }
    }

    /// Whether it was this file.
    pub(super) fn is_of(&self, file: &ContentId) -> bool {
        self.file.as_ref().is_some_and(|sent| sent.manifest == *file)
    }
}

fn failed(e: &FileError) -> Failure {
    Failure::new(e.code(), e.to_string())
}

/// Tells on standard error how far it is.
struct Progress {
    terminal: bool,
    told: Option<Instant>,
}

impl Progress {
    fn new() -> Self {
        Self { terminal: std::io::stderr().is_terminal(), told: None }
    }

    fn tell(&mut self, text: impl FnOnce() -> String) {
        if warnings::in_json() {
            return;
        }
        let every = if self.terminal { ASK } else { TELL };
        let first = *self.told.get_or_insert_with(Instant::now);
        if first.elapsed() < every {
            return;
        }
        self.told = Some(Instant::now());
        let text = shown(text().trim_end());
        let mut err = std::io::stderr().lock();
        // Who does not read it, does not need it.
        let _ = match self.terminal {
            true => write!(err, "\r{text:<100}").and_then(|()| err.flush()),
            false => writeln!(err, "{text}"),
        };
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.terminal && self.told.is_some() {
            let _ = write!(std::io::stderr(), "\r{:<100}\r", "");
        }
    }
}

/// The folder in which a file is cut; removed where it does not come to the node.
struct Staging(PathBuf);

impl Drop for Staging {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn random<const N: usize>() -> Result<[u8; N], Failure> {
    let mut bytes = [0_u8; N];
    getrandom::fill(&mut bytes)
        .map_err(|e| Failure::new(codes::FILE_NOT_WRITTEN, format!("no randomness: {e}")))?;
    Ok(bytes)
}

/// The CID of a channel of the node, and whether it seals.
fn channel(global: &GlobalArgs, name: &str) -> Result<(ContentId, bool), Failure> {
    let status = ask(global, &Asked::Status)?;
    let of = |c: &Value, member: &str| c.get(member).and_then(Value::as_str) == Some(name);
    let all = status.get("channels").and_then(Value::as_array).cloned().unwrap_or_default();
    let found: Vec<_> = all.iter().filter(|c| of(c, "id") || of(c, "name")).collect();
    let [found] = found.as_slice() else {
        let message = format!("the node has {} channels {name:?}", found.len());
        let failure = Failure::new(messaging_codes::CHANNEL_UNKNOWN, message);
        return Err(failure.next("`gridpass node status --json` lists them; name it by its CID."));
    };
    let id = found.get("id").and_then(Value::as_str).unwrap_or_default();
    let seals = found.get("sealing").is_some_and(|s| !s.is_null());
    Ok((ContentId::parse(id)?, seals))
}

/// Opens a file that is to be sent: an ordinary one, for what else there is may have no end, or keep
/// whoever opens it waiting. Gives its length too.
pub(super) fn source(path: &Path) -> Result<(File, u64), Failure> {
    let unread =
        |e: std::io::Error| Failure::new(codes::FILE_NOT_READ, format!("{}: {e}", path.display()));
    let ordinary = |meta: &Metadata| {
        let (what, next) = match meta.is_dir() {
            _ if meta.is_file() => return Ok(()),
            true => ("a folder", "Pack it first, such as with tar, and send the archive."),
            false => ("no ordinary file", "Write what it gives to a file first, and send that."),
        };
        let message = format!("{} is {what}", path.display());
        Err(Failure::new(codes::FILE_NOT_READ, message).next(next))
    };
    ordinary(&std::fs::metadata(path).map_err(unread)?)?;
    let source = File::open(path).map_err(unread)?;
    let meta = source.metadata().map_err(unread)?;
    ordinary(&meta)?;
    if meta.len() > MAX_BLOCKS.saturating_mul(BLOCK.into()) {
        return Err(failed(&FileError::TooLong));
    }
    Ok((source, meta.len()))
}

/// Why a file was not cut. Nothing goes on by itself here, as fetching does.
fn not_cut(e: &FileError) -> Failure {
    match e {
        FileError::Full(_) => failed(e).next(
            "Make room on the disk with the node's folder, and send it again: nothing was sent.",
        ),
        FileError::Io(_) => failed(e).next("See the message, and send it again: nothing was sent."),
        _ => failed(e),
    }
}

/// What was sent under a reference in a channel, if something was.
pub(super) fn sent_before(
    global: &GlobalArgs,
    channel: &str,
    reference: &str,
) -> Result<Option<Before>, Failure> {
    let asked = Asked::Sent { channel: channel.to_owned(), reference: reference.to_owned() };
    let said = ask(global, &asked)?;
    let Some(channel) = said.get("channel").and_then(Value::as_str) else { return Ok(None) };
    let file = said.get("file").filter(|file| !file.is_null());
    let file = file.map(|file| Reference::parse(file.to_string().as_bytes())).transpose();
    Ok(Some(Before {
        channel: ContentId::parse(channel)?,
        sealed: said.get("sealed") == Some(&Value::Bool(true)),
        file: file.map_err(|e| failed(&e))?,
    }))
}

/// The file that is asked for again, as it would be cut with the key of the one that was sent: where it is the same,
/// so is its name. Nothing is given to the node.
pub(super) fn again(before: Before, (mut source, length): (File, u64)) -> Result<Sent, Failure> {
    let key = before.file.and_then(|file| file.key);
    let mut progress = Progress::new();
    let mut tell = |bytes: u64| progress.tell(|| format!("read {bytes} of {length}"));
    let named = files_stage::name(&mut source, &before.channel, key.as_ref(), BLOCK, &mut tell);
    let (file, size) = named.map_err(|e| not_cut(&e))?;
    Ok(Sent { file, size, key, sealed: before.sealed, new: false })
}

/// Cuts a file, and gives it to the node.
pub(super) fn stage(
    global: &GlobalArgs,
    name: &str,
    (mut source, length): (File, u64),
) -> Result<Sent, Failure> {
    let (channel, sealed) = channel(global, name)?;
    let key = sealed.then(random::<32>).transpose()?.map(FileKey::new);
    let staged: String = random::<8>()?.iter().map(|b| format!("{b:02x}")).collect();
    let staged = format!("new-{staged}");
    let folder = files_of(&folder(global)?);
    room_for(&folder, length).map_err(|e| not_cut(&e))?;
    let staging = Staging(folder.join(&staged));
    let made = std::fs::DirBuilder::new().mode(0o700).create(&staging.0);
    made.map_err(|e| not_cut(&FileError::Io(format!("{}: {e}", staging.0.display()))))?;
    let mut progress = Progress::new();
    let mut tell = |bytes: u64| progress.tell(|| format!("cut {bytes} of {length}"));
    let cut = files_stage::stage(&mut source, &staging.0, &channel, key.as_ref(), BLOCK, &mut tell);
    let (file, size) = cut.map_err(|e| not_cut(&e))?;
    drop(progress);
    let added = ask(global, &Asked::FileAdd { staged })?;
    let new = added.get("new").and_then(Value::as_bool).unwrap_or_default();
    Ok(Sent { file, size, key, sealed, new })
}

/// Waits until the node has a file, and writes it.
pub(super) fn fetched(
    global: &GlobalArgs,
    reference: &Reference,
    output: &OutputArgs,
    wait: Option<u64>,
) -> Result<Value, Failure> {
    let until = wait.map(Duration::from_millis);
    let begun = Instant::now();
    let mut tries = 0_u32;
    loop {
        let done = whole(global, &reference.manifest, until, begun)?;
        let folder = files_of(&folder(global)?).join(reference.manifest.as_str());
        let held = Held::open(&folder, &reference.manifest).map_err(|e| failed(&e))?;
        match write(&held, reference, output) {
            Err(Written::Content(FileError::Damaged(block))) if tries < TRIES => {
                tries = tries.saturating_add(1);
                if !repair(global, &held)? {
                    return Err(failed(&FileError::Damaged(block)));
                }
            }
            Err(Written::Content(e)) => return Err(failed(&e)),
            Err(Written::Output(failure)) => return Err(failure),
            Ok(()) => return Ok(done),
        }
    }
}

/// Has the node look at every block that is damaged, and get it again. Gives whether it got one.
fn repair(global: &GlobalArgs, held: &Held) -> Result<bool, Failure> {
    let mut progress = Progress::new();
    let file = held.id().to_string();
    let damaged = held.damaged(&mut |bytes| progress.tell(|| format!("looked at {bytes}")));
    let mut any = false;
    for block in damaged {
        let checked = ask(global, &Asked::FileCheck { file: file.clone(), block })?;
        any |= checked.get("damaged") == Some(&Value::Bool(true));
    }
    Ok(any)
}

/// Waits until a file is whole.
fn whole(
    global: &GlobalArgs,
    file: &ContentId,
    until: Option<Duration>,
    begun: Instant,
) -> Result<Value, Failure> {
    let mut progress = Progress::new();
    loop {
        let answer = ask(global, &Asked::Files { file: Some(file.to_string()) })?;
        let status = answer.pointer("/files/0").cloned().unwrap_or_default();
        let of = |name: &str| status.get(name).and_then(Value::as_str).unwrap_or_default();
        match of("state") {
            "whole" => return Ok(status),
            // Nobody goes on with it before the operator does.
            "paused" => {
                let message = line(&status).trim().to_owned();
                return Err(Failure::new(messaging_codes::FILE_PAUSED, message));
            }
            "stopped" => {
                return Err(Failure::new(super::code_of(of("code")), of("why").to_owned()));
            }
            _ => {}
        }
        if until.is_some_and(|until| begun.elapsed() >= until) {
            return Err(Failure::new(messaging_codes::FILE_LATE, line(&status).trim().to_owned()));
        }
        progress.tell(|| line(&status));
        std::thread::sleep(ASK);
    }
}

enum Written {
    Content(FileError),
    Output(Failure),
}

/// Writes the content whole under its name, or not at all.
fn write(held: &Held, reference: &Reference, output: &OutputArgs) -> Result<(), Written> {
    let key = reference.key.as_ref();
    let mut progress = Progress::new();
    let mut tell = |bytes: u64| progress.tell(|| format!("wrote {bytes} of {}", reference.size));
    let Some(path) = output.file() else {
        // What is damaged is found before the first byte: a stream cannot be taken back.
        if let Some(block) = held.damaged(&mut |_| ()).first() {
            return Err(Written::Content(FileError::Damaged(*block)));
        }
        let (mut out, mut begun) = (std::io::stdout().lock(), false);
        let mut tell = |bytes: u64| {
            begun = true;
            tell(bytes);
        };
        let written = held.write_content(key, reference.size, &mut out, &mut tell);
        return written.map_err(|e| match begun {
            true => Written::Output(failed(&e)),
            false => Written::Content(e),
        });
    };
    let io = |e: std::io::Error| {
        let code = match e.kind() {
            std::io::ErrorKind::AlreadyExists => codes::FILE_EXISTS,
            _ => codes::FILE_NOT_WRITTEN,
        };
        Written::Output(Failure::new(code, format!("{}: {e}", path.display())))
    };
    output.check().map_err(Written::Output)?;
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let half = half_file::beside(path, held.id()).map_err(io)?;
    let _watched = half_file::removed_when_interrupted(half.path());
    let mut out = BufWriter::with_capacity(1 << 20, half);
    let written = held.write_content(key, reference.size, &mut out, &mut tell);
    written.map_err(|e| match e {
        // The node's files are read; what is written is the output.
        FileError::Io(e) => {
            let message = format!("{}: {e}", path.display());
            Written::Output(Failure::new(codes::FILE_NOT_WRITTEN, message))
        }
        e => Written::Content(e),
    })?;
    let half = out.into_inner().map_err(|e| io(e.into_error()))?;
    half.as_file().sync_all().map_err(io)?;
    if output.force {
        half.persist(path).map_err(|e| io(e.error))?;
    } else {
        half.persist_noclobber(path).map_err(|e| io(e.error))?;
    }
    File::open(parent).and_then(|f| f.sync_all()).map_err(io)
}
