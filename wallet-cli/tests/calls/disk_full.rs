//! A disk that is full: the call fails with its reason, nothing acknowledged is lost. Once with a
//! limit on the size of files, which needs no privileges; once with a small file system of the
//! test's own, which needs the right to mount.

use crate::common::Place;
use crate::parties::framework;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;

/// Before a change is under way, and from then on.
const REFUSED: [&str; 2] = ["GP-STORE-IO", "GP-STORE-UNCONFIRMED"];

/// A limit on the size of files stands for the full disk: it needs no privileges, and the system
/// refuses the write in the same place.
#[test]
fn a_refused_write_is_told_and_loses_nothing() {
    let place = Place::with_wallet();
    let did = place.new_identity("root", &[]);
    let gridpass = env!("CARGO_BIN_EXE_gridpass");
    let mut told = 0;
    // In blocks of 512 bytes; sled's first file is larger than the smallest of them.
    for blocks in [0, 1, 8, 64, 512, 1024] {
        let script = format!(
            "trap '' XFSZ; ulimit -f {blocks}; exec {gridpass} --json --no-input \
             --passphrase-file passphrase.txt id new --name x{blocks}"
        );
        let output = Command::new("sh")
            .args(["-c", &script])
            .current_dir(place.dir.path())
            .env("GRIDPASS_HOME", place.path("home"))
            .output()
            .expect("a shell");
        let stderr = String::from_utf8_lossy(&output.stderr);
        match output.status.code() {
            Some(0) => {}
            Some(3) => {
                told += 1;
                assert!(REFUSED.iter().any(|code| stderr.contains(code)), "{blocks}: {stderr}");
                let name = format!("x{blocks}");
                assert!(!place.ok(&["id", "list"]).text().contains(&name), "not acknowledged");
            }
            other => panic!("{blocks}: {other:?}: {stderr}"),
        }
        assert!(place.ok(&["id", "list"]).text().contains(&did), "{blocks}: the identity is lost");
    }
    assert!(told > 0, "no write was refused");
    place.new_identity("after", &[]);
}

/// A file system in memory that is taken away again.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None`, said loudly, where this process may not mount.
    fn mount(place: &Place, size: &str) -> Option<Self> {
        let dir = place.path("disk");
        std::fs::create_dir(&dir).expect("a folder");
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size},mode=700"), "none"])
            .arg(&dir)
            .output();
        if mount.is_ok_and(|o| o.status.success()) {
            return Some(Self(dir));
        }
        let required = std::env::var("GRIDPASS_REQUIRE_MOUNT").is_ok_and(|v| v == "1");
        assert!(!required, "a small disk is required, and mounting is not allowed");
        let line = b"SKIPPED: the test of a full disk; mounting a tmpfs is not allowed here.\n";
        std::io::stderr().write_all(line).expect("standard error is open");
        None
    }

    fn resize(&self, size: &str) {
        let mut command = Command::new("mount");
        command.args(["-o", &format!("remount,size={size}")]).arg(&self.0);
        assert!(command.status().expect("mount runs").success());
    }

    fn read_only(&self) {
        let mut command = Command::new("mount");
        command.args(["-o", "remount,ro"]).arg(&self.0);
        assert!(command.status().expect("mount runs").success());
    }

    /// Fills all but `keep` bytes.
    fn fill(&self, keep: usize) {
        let mut filler = std::fs::File::create(self.0.join("filler")).expect("a file");
        while filler.write_all(&[0; 4096]).is_ok() {}
        let length = filler.metadata().expect("its length").len();
        let keep = u64::try_from(keep).expect("small");
        filler.set_len(length.saturating_sub(keep)).expect("some is free again");
    }

    fn free(&self) {
        std::fs::remove_file(self.0.join("filler")).expect("the filler is there");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

fn names(place: &Place) -> Vec<String> {
    let args = ["--home", "disk/home", "--recovery-file", "words.txt", "id", "list"];
    let list = place.ok_json("gridpass.id.list/1", &args);
    let identities = list["identities"].as_array().expect("a list").iter();
    identities.map(|i| i["name"].as_str().expect("a name").to_owned()).collect()
}

#[test]
fn a_wallet_that_fills_its_disk_loses_nothing_it_acknowledged() {
    let place = Place::new();
    let Some(disk) = SmallDisk::mount(&place, "1100k") else { return };
    let home = ["--home", "disk/home"];
    place.ok(&[&home[..], &["init", "--name", "dso", "--recovery-out", "words.txt"]].concat());
    let new = |name: &str| {
        let args = ["--json", "--recovery-file", "words.txt", "id", "new", "--name", name];
        place.run(&[&home[..], &args[..]].concat())
    };
    let mut acknowledged = Vec::new();
    let refusal = loop {
        let name = format!("n{}", acknowledged.len());
        let ran = new(&name);
        if ran.status != 0 {
            break ran;
        }
        acknowledged.push(name);
        assert!(acknowledged.len() < 2000, "the disk is small");
    };
    assert!(acknowledged.len() > 20, "{refusal:?}");
    let error = refusal.error();
    let code = error["code"].as_str().expect("a code");
    assert!(refusal.status == 3 && REFUSED.contains(&code), "{refusal:?}");
    // It stays refused, and trying does no harm.
    for i in 0..5 {
        assert_eq!(new(&format!("more{i}")).status, 3);
    }
    let init = ["init", "--name", "two", "--recovery-out", "two.txt"];
    place.refused("GP-STORE-IO", 3, &[&home[..], &init[..]].concat());
    assert!(!place.path("two.txt").exists(), "words of a wallet that was not made");
    disk.resize("8m");
    let there = names(&place);
    for name in &acknowledged {
        assert!(there.contains(name), "{name} was acknowledged and is lost");
    }
    assert!(there.len() <= acknowledged.len() + 6, "{} are there", there.len());
    assert_eq!(new("after").status, 0);
    let profiles = place.ok_json("gridpass.wallet.list/1", &["wallet", "list", home[0], home[1]]);
    assert_eq!(profiles["profiles"], serde_json::json!(["dso"]));
}

/// Wherever in a call the space ends, what was there before is there after.
#[test]
fn space_may_end_at_any_point_of_a_call() {
    let place = Place::new();
    let Some(disk) = SmallDisk::mount(&place, "8m") else { return };
    let home = ["--home", "disk/home"];
    place.ok(&[&home[..], &["init", "--name", "dso", "--recovery-out", "words.txt"]].concat());
    let mut refused = 0;
    let mut acknowledged = Vec::new();
    for i in 0..40 {
        disk.fill(i * 4096);
        let name = format!("n{i}");
        let args = ["--json", "--recovery-file", "words.txt", "id", "new", "--name", &name];
        let ran = place.run(&[&home[..], &args[..]].concat());
        let mut is_out = false;
        if ran.status == 0 {
            acknowledged.push(name.clone());
        } else {
            let error = ran.error();
            let code = error["code"].as_str().expect("a code");
            assert!(ran.status == 3 && REFUSED.contains(&code), "{i}: {ran:?}");
            assert!(!ran.stderr.contains("panicked"), "{i}: {ran:?}");
            is_out = code == REFUSED[0];
            refused += 1;
        }
        disk.free();
        let there = names(&place);
        // What is known not to be made is not there.
        assert!(!is_out || !there.contains(&name), "{i}: {ran:?}");
        for name in &acknowledged {
            assert!(there.contains(name), "{i}: {name} was acknowledged and is lost");
        }
    }
    assert!(refused > 0 && !acknowledged.is_empty(), "{refused} refused");
    let doctor = place.run(&[&home[..], &["--json", "doctor"]].concat()).json();
    assert!(crate::common::codes_of(&doctor).iter().all(|c| c != "GP-STORE-DAMAGED"), "{doctor}");
}

/// The way to sign, or to have a backup, where the disk takes nothing any more.
#[test]
fn a_wallet_on_a_disk_that_cannot_be_written_opens_as_a_copy() {
    let place = Place::new();
    let Some(disk) = SmallDisk::mount(&place, "8m") else { return };
    let home = ["--home", "disk/home"];
    place.ok(&[&home[..], &["init", "--name", "dso", "--recovery-out", "words.txt"]].concat());
    disk.read_only();
    let refused = place.refused("GP-STORE-IO", 3, &[&home[..], &["id", "list"]].concat());
    assert!(refused["next"].as_str().is_some_and(|n| n.contains("--home")), "{refused}");
    let list = place.ok_json("gridpass.wallet.list/1", &[&home[..], &["wallet", "list"]].concat());
    let named = list["home"].as_str().expect("a folder");
    let mut copy = Command::new("cp");
    copy.current_dir(place.dir.path()).args(["-a", named, "copy"]);
    assert!(copy.status().expect("cp runs").success());
    place.ok(&["--home", "copy", "id", "list"]);
    place.ok(&["--home", "copy", "wallet", "backup", "-o", "b.gpb"]);
}

#[test]
fn a_file_that_does_not_fit_is_told_and_not_left_in_part() {
    let place = Place::with_wallet();
    let Some(disk) = SmallDisk::mount(&place, "64k") else { return };
    place.new_identity("root", &[]);
    disk.fill(0);
    place.refused("GP-FILE-NOT-WRITTEN", 3, &["wallet", "backup", "-o", "disk/b.gpb"]);
    let status = place.ok_json("gridpass.wallet.status/1", &["wallet", "status"]);
    assert_eq!(status["backup_is_stale"], true, "a backup was noted that is not there");
    let add = ["wallet", "slots", "add-recovery", "--recovery-out", "disk/words.txt"];
    place.refused("GP-FILE-NOT-WRITTEN", 3, &add);
    let init = ["init", "--name", "two", "--recovery-out", "disk/words.txt"];
    place.refused("GP-FILE-NOT-WRITTEN", 3, &init);
    place.refused("GP-WALLET-NOT-FOUND", 5, &["wallet", "status", "--profile", "two"]);
    place.write("a.txt", &"content ".repeat(2000));
    place.refused("GP-FILE-NOT-WRITTEN", 3, &["sign", "a.txt", "-o", "disk/a.jws"]);
    let left: Vec<_> = std::fs::read_dir(place.path("disk")).expect("it is there").collect();
    assert_eq!(left.len(), 1, "only the filler: {left:?}");
    disk.free();
    place.ok(&["wallet", "backup", "-o", "disk/b.gpb"]);
    let status = place.ok_json("gridpass.wallet.status/1", &["wallet", "status"]);
    assert_eq!(status["backup_is_stale"], false);
}

/// A visa is in force as soon as the wallet says so, and a revocation too: where the file does not fit,
/// both are told as done, with the command that writes it.
#[test]
fn what_is_issued_or_revoked_is_told_though_its_file_does_not_fit() {
    let place = Place::new();
    let Some(disk) = SmallDisk::mount(&place, "64k") else { return };
    let (regulator, holder) = crate::parties::framework(&place);
    disk.fill(0);
    let to = ["visa", "issue", "--to", &holder.did, "--role", "flex.gb.aggregator"];
    let issue = [&to[..], &["--claim", "zone=GB-1", "-o", "disk/visa.json"]].concat();
    let refused = regulator.refused("GP-FILE-NOT-WRITTEN", 3, &issue);
    let list = || regulator.json("gridpass.visa.list/1", &["visa", "list", "--issued"]);
    let id = list()["visas"][0]["visa"]["id"].as_str().expect("it is issued").to_owned();
    assert!(refused["message"].as_str().is_some_and(|m| m.contains(&id)), "{refused}");
    let command = format!("gridpass visa export {id} -o visa.json");
    assert!(refused["next"].as_str().is_some_and(|n| n.contains(&command)), "{refused}");
    regulator.ok(&["visa", "export", &id, "-o", "visa.json"]);
    holder.ok(&["visa", "accept", "visa.json"]);
    let revoke = ["visa", "revoke", &id, "-o", "disk/lists.json"];
    let refused = regulator.refused("GP-FILE-NOT-WRITTEN", 3, &revoke);
    assert_eq!(list()["visas"][0]["state"], "revoked");
    let command = format!("gridpass status publish --as {} -o lists.json", regulator.did);
    assert!(refused["next"].as_str().is_some_and(|n| n.contains(&command)), "{refused}");
    regulator.ok(&["status", "publish", "--as", &regulator.did, "-o", "lists.json"]);
    holder.ok(&["status", "accept", "lists.json"]);
    holder.refused(
        "GP-VISA-REVOKED",
        13,
        &["visa", "present", "flex.gb.aggregator", "--to", "did:web:a.example"],
    );
}

/// Visas and refusals that are entered, and have no room for their files, are not told as if they were not.
#[test]
fn what_has_no_room_for_its_file_is_decided_all_the_same() {
    let place = Place::new();
    let Some(disk) = SmallDisk::mount(&place, "256k") else { return };
    let (regulator, holder) = framework(&place);
    for folder in ["requests", "disk/visas", "disk/refusals"] {
        std::fs::create_dir(place.path(folder)).expect("a folder");
    }
    // Two that say the same, of the same second, would be one request.
    let ask = |zone: &str, file: &str| {
        holder.ok(&["visa", "request", "flex.gb.aggregator", "--claim", zone, "-o", file]);
    };
    ask("zone=GB-1", "requests/a.json");
    ask("zone=GB-2", "refused.json");
    let call = |args: &[&str]| {
        let ran = place.run(&regulator.args(&[&["--json"], args].concat()));
        (ran.status, ran.json())
    };
    let issue = ["visa", "issue", "requests", "-o", "disk/visas"];
    let refuse = ["visa", "refuse", "refused.json", "--reason", "full", "-o", "disk/refusals"];
    disk.fill(0);
    let (status, first) = call(&issue);
    assert_eq!((status, &first["issued_not_written"]), (3, &1.into()), "{first:#}");
    let visa = &first["requests"][0]["visa"];
    assert!(visa.is_string(), "{first:#}");
    let (status, again) = call(&issue);
    assert_eq!((status, &again["requests"][0]["visa"]), (3, visa), "{again:#}");
    for _ in 0..2 {
        let (status, refused) = call(&refuse);
        assert_eq!((status, &refused["refused_not_written"]), (3, &1.into()), "{refused:#}");
    }
    disk.free();
    for args in [&issue[..], &refuse] {
        let (status, json) = call(args);
        assert_eq!((status, &json["written_again"]), (0, &1.into()), "{json:#}");
    }
    assert_eq!(call(&issue).1["requests"][0]["visa"], *visa);
}
