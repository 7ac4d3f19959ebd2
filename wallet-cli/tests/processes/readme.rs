//! The commands of the README and of the guides are run as they stand there: every line `$ …` of a `console`
//! block with the lines `> …` that continue it, in order, in one fresh folder and one shell that finds
//! `gridpass`. What a page shows below a command is in its answer; `…` stands for anything. No page with
//! commands is left out, a guide stays one page, and links between the pages lead somewhere.

use crate::common::Place;
use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::Duration;

/// The README and each reader's guide, with the pages that go on from it in the same folder.
const README: &[&str] = &["README.md", "docs/tour.md"];
const OFFICER: &[&str] = &["docs/officer.md", "docs/officer-incidents.md"];
const OPERATOR: &[&str] =
    &["docs/operator.md", "docs/operator-daily.md", "docs/operator-incidents.md"];
const AUDITOR: &[&str] = &["docs/auditor.md", "docs/auditor-questions.md"];
const DEVELOPER: &[&str] = &["docs/developer.md", "docs/developer-nodes.md"];

/// How many words a guide may have, commands among them, and the README.
const WORDS_OF_A_GUIDE: usize = 650;
const WORDS_OF_THE_README: usize = 1_100;

/// How long a page may take: a node that it leaves running, or a command that waits for ever, ends here.
const PATIENCE: Duration = Duration::from_secs(600);

/// What the shell writes before the answer of each command.
const MARK: char = '\u{1e}';

/// A market day has nine nodes: the pages that play one take turns.
static MARKET_DAY: Mutex<()> = Mutex::new(());

#[test]
fn the_readmes_commands_succeed_in_order() {
    run(README);
}

#[test]
fn the_officers_commands_succeed_in_order() {
    run(OFFICER);
}

#[test]
fn the_operators_commands_succeed_in_order() {
    let _turn = MARKET_DAY.lock().unwrap_or_else(PoisonError::into_inner);
    run(OPERATOR);
}

#[test]
fn the_auditors_commands_succeed_in_order() {
    let _turn = MARKET_DAY.lock().unwrap_or_else(PoisonError::into_inner);
    run(AUDITOR);
}

#[test]
fn the_developers_commands_succeed_in_order() {
    run(DEVELOPER);
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The README and every page of `docs/`: the path and the text of each.
fn pages() -> Vec<(String, String)> {
    let root = root();
    let docs = std::fs::read_dir(root.join("docs")).expect("the pages").flatten();
    let docs = docs.map(|entry| format!("docs/{}", entry.file_name().to_string_lossy()));
    let read = |page: String| {
        let text = std::fs::read_to_string(root.join(&page)).expect(&page);
        (page, text)
    };
    docs.chain(["README.md".to_owned()]).map(read).collect()
}

#[test]
fn every_page_with_commands_is_run() {
    let run: Vec<&str> =
        [README, OFFICER, OPERATOR, AUDITOR, DEVELOPER].into_iter().flatten().copied().collect();
    for (page, text) in pages() {
        assert_eq!(!steps(&text).is_empty(), run.contains(&page.as_str()), "{page}");
    }
}

#[test]
fn a_guide_stays_one_page() {
    for (page, text) in pages() {
        let most = match page.as_str() {
            "docs/officer.md" | "docs/operator.md" | "docs/auditor.md" | "docs/developer.md" => {
                WORDS_OF_A_GUIDE
            }
            "README.md" => WORDS_OF_THE_README,
            _ => continue,
        };
        let is_word = |text: &&str| text.chars().any(char::is_alphanumeric);
        let words = text.split_whitespace().filter(is_word).count();
        assert!(words <= most, "{page} has {words} words: move what is not of the first day");
    }
}

/// The name that a heading has in a link.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn links_between_the_pages_lead_somewhere() {
    let mut seen = 0;
    for (page, text) in pages() {
        let folder = root().join(&page).parent().expect("a folder").to_owned();
        let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for link in links.filter(|link| !link.starts_with("https://")) {
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = folder.join(file);
            assert!(target.exists(), "{page} links to {link}");
            if !heading.is_empty() {
                let there = std::fs::read_to_string(&target).expect(link);
                let mut headings = there.lines().filter(|line| line.starts_with('#'));
                assert!(headings.any(|line| anchor(line) == heading), "{page} links to {link}");
            }
            seen += 1;
        }
    }
    assert!(seen > 20, "{seen} links were found");
}

/// What a reader types, and what the page shows below it.
#[derive(Debug, PartialEq, Eq)]
struct Step {
    command: String,
    shown: Vec<String>,
}

fn steps(page: &str) -> Vec<Step> {
    let (mut steps, mut in_block) = (Vec::<Step>::new(), false);
    for line in page.lines() {
        if line.starts_with("```") {
            in_block = line == "```console";
        } else if let Some(command) = line.strip_prefix("$ ").filter(|_| in_block) {
            steps.push(Step { command: command.to_owned(), shown: Vec::new() });
        } else if in_block && !line.trim().is_empty() {
            let step = steps.last_mut().expect("a block begins with a command");
            match line.strip_prefix("> ").filter(|_| step.shown.is_empty()) {
                Some(more) => step.command.push_str(&format!("\n{more}")),
                None => step.shown.push(line.trim().to_owned()),
            }
        }
    }
    steps
}

/// The steps as a script that ends with the first one that fails.
fn script(steps: &[Step]) -> String {
    let mut script = "umask 077\nexec 2>&1\n".to_owned();
    for (number, step) in steps.iter().enumerate() {
        script.push_str(&format!("printf '\\036{number}\\n'\n{}\n", step.command));
        script.push_str("code=$?; [ \"$code\" -eq 0 ] || exit \"$code\"\n");
    }
    // What runs beside was stopped by the page, and ends before the shell does.
    script.push_str("wait\n");
    script
}

/// A shell and all that it started. None of it outlives this value.
struct Shell {
    group: u32,
    ended: mpsc::Receiver<ExitStatus>,
}

impl Shell {
    fn start(command: &mut Command) -> Self {
        let mut child = command.process_group(0).spawn().expect("a shell");
        let (group, (sender, ended)) = (child.id(), mpsc::channel());
        std::thread::spawn(move || sender.send(child.wait().expect("it ended")));
        Self { group, ended }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let group = format!("-{}", self.group);
        // Mostly nothing is left, and `kill` says so.
        let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
    }
}

/// Whether a line that a page shows is in a line of an answer, however far words stand apart.
fn is_in(shown: &str, line: &str) -> bool {
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = words(line);
    let mut rest = line.as_str();
    shown.split('…').all(|piece| match rest.split_once(&words(piece)) {
        Some((_, after)) => {
            rest = after;
            true
        }
        None => false,
    })
}

/// The ends of the logs that a page had written: of what it ran beside.
fn logs(folder: &Path) -> String {
    let entries = std::fs::read_dir(folder).expect("the folder").flatten().map(|e| e.path());
    let mut all = String::new();
    for path in entries.filter(|p| p.extension().is_some_and(|end| end == "log")) {
        let log = std::fs::read(&path).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        let last = &lines[lines.len().saturating_sub(20)..];
        all.push_str(&format!("\n{}:\n{}\n", path.display(), last.join("\n")));
    }
    all
}

/// Runs pages of which each goes on from the one before.
fn run(pages: &[&str]) {
    let root = root();
    let mut all = Vec::new();
    for page in pages {
        let found = steps(&std::fs::read_to_string(root.join(page)).expect(page));
        assert!(found.len() > 5, "{page} shows commands");
        all.extend(found);
    }
    let (page, steps) = (pages.join(", "), all);
    let (place, beside) = (Place::new(), tempfile::tempdir().expect("a folder"));
    std::fs::remove_file(place.path("passphrase.txt")).expect("a page makes its own");
    let (script_file, said) = (beside.path().join("script"), beside.path().join("said"));
    std::fs::write(&script_file, script(&steps)).expect("written");
    let folder = Path::new(env!("CARGO_BIN_EXE_gridpass")).parent().expect("a folder").display();
    let mut command = Command::new("sh");
    command
        .arg(&script_file)
        .current_dir(place.dir.path())
        .env_clear()
        .env("PATH", format!("{folder}:/usr/bin:/bin"))
        .env("HOME", place.dir.path())
        .env("GRIDPASS_HOME", place.path("home"))
        .stdin(Stdio::null())
        .stdout(File::create(&said).expect("a file"));
    let shell = Shell::start(&mut command);
    let ended = shell.ended.recv_timeout(PATIENCE).ok();
    drop(shell);
    let said = std::fs::read(&said).expect("what it said");
    let said = String::from_utf8_lossy(&said);
    let answers: Vec<&str> = said.split(MARK).skip(1).collect();
    assert!(!answers.is_empty(), "{page}: {ended:?} {said}");
    for (number, (step, answer)) in steps.iter().zip(&answers).enumerate() {
        let answer = answer.split_once('\n').map_or("", |(_, answer)| answer);
        let all = format!("{page}:\n$ {}\n{answer}", step.command);
        let is_last = number + 1 == answers.len();
        if is_last && ended.is_none() {
            let logs = logs(place.dir.path());
            panic!("after {PATIENCE:?} this, or what it left running, has not ended: {all}{logs}");
        }
        let succeeded = !is_last || ended.is_some_and(|status| status.success());
        assert!(succeeded, "{ended:?} of {all}{}", logs(place.dir.path()));
        let mut lines = answer.lines();
        for shown in &step.shown {
            assert!(lines.any(|line| is_in(shown, line)), "no line {shown:?} in {all}");
        }
    }
    assert_eq!(answers.len(), steps.len(), "{page}: the shell ended early");
}

#[test]
fn a_page_is_read_as_a_reader_reads_it() {
    let page = "```console\n$ cat > a <<END\n> b\n> END\n$ cat a\nb…\n```\n```sh\n$ not run\n```\n";
    let step = |command: &str, shown: &[&str]| Step {
        command: command.to_owned(),
        shown: shown.iter().map(|s| (*s).to_owned()).collect(),
    };
    assert_eq!(steps(page), [step("cat > a <<END\nb\nEND", &[]), step("cat a", &["b…"])]);
    assert!(is_in("visa … held … 2027", "visa flex.gb held until 2027-01-01"));
    assert!(is_in("log … bytes", "log              63072 bytes"));
    assert!(!is_in("held … visa", "visa flex.gb held"));
}
