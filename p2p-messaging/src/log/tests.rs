use super::*;
use crate::test_kit::NOW;
use proptest::prelude::*;
use std::fs;

fn open(folder: &Path) -> (Log, Opened, Vec<Record>) {
    let mut all = Vec::new();
    let (log, opened) =
        Log::open_with(folder, 400, &mut |_, r| all.push(r.clone())).expect("opens");
    (log, opened, all)
}

fn bodies(from: u8, count: u8) -> Vec<Vec<u8>> {
    (from..from + count).map(|n| vec![n; usize::from(n) * 3]).collect()
}

fn filled(folder: &Path) -> Vec<Record> {
    let (mut log, opened, _) = open(folder);
    assert_eq!(opened, Opened::default());
    for group in 0..6 {
        log.append(NOW, &bodies(group * 4, 4)).expect("appends");
    }
    assert!(log.closed().len() >= 2, "several files");
    drop(log);
    let (_, opened, all) = open(folder);
    assert_eq!((opened.records, opened.damaged.len(), &opened.cut_off), (24, 0, &None));
    all
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all: Vec<_> = fs::read_dir(folder)
        .expect("a folder")
        .map(|e| e.expect("an entry").path())
        .filter(|p| p.extension().is_some_and(|e| e == "gplog"))
        .collect();
    all.sort();
    all
}

#[test]
fn records_keep_their_numbers_order_and_bytes() {
    let folder = tempfile::tempdir().expect("a folder");
    let all = filled(folder.path());
    assert!(all.iter().map(|r| r.number).eq(1..=24));
    assert_eq!(all[5].body, vec![5; 15]);
    let mut places = Vec::new();
    let (mut log, _) =
        Log::open_with(folder.path(), 400, &mut |p, r| places.push((r.number, p))).expect("opens");
    for (number, place) in &places {
        assert_eq!(log.read(*number, *place).expect("reads").number, *number);
    }
    let wrong = log.read(3, places[7].1).expect_err("another record");
    assert_eq!(wrong.code(), codes::LOG_DAMAGED);
    assert_eq!(log.next_number(), 25);
    let new = log.append(NOW, &[b"next".to_vec()]).expect("appends");
    assert_eq!(log.read(25, new[0].1).expect("reads").body, b"next");
    assert!(matches!(log.append(NOW, &[vec![0; MAX_BODY + 1]]), Err(LogError::TooLong(_))));
    assert_eq!(log.next_number(), 26, "nothing was appended");
}

#[test]
fn one_process_has_it_open() {
    let folder = tempfile::tempdir().expect("a folder");
    let (_log, ..) = open(folder.path());
    let error = Log::open(folder.path(), &mut |_, _| ()).expect_err("in use");
    assert_eq!(error.code(), codes::LOG_IN_USE);
}

#[test]
fn a_file_of_another_kind_or_version_is_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    filled(folder.path());
    let file = &files(folder.path())[0];
    let mut bytes = fs::read(file).expect("bytes");
    bytes[13] = b'2';
    fs::write(file, &bytes).expect("writes");
    let error = Log::open(folder.path(), &mut |_, _| ()).expect_err("another version");
    assert_eq!(error.code(), codes::LOG_VERSION);
    assert_eq!(fs::read(file).expect("bytes"), bytes);
}

#[test]
fn a_closed_file_is_rewritten_shorter_and_keeps_its_numbers() {
    let folder = tempfile::tempdir().expect("a folder");
    let all = filled(folder.path());
    let (mut log, ..) = open(folder.path());
    let before = log.bytes();
    let closed = log.closed();
    let places = log
        .rewrite(closed[0], &mut |r| (r.number != 2).then(|| b"short".to_vec()))
        .expect("rewrites");
    for (number, place) in &places {
        let body = log.read(*number, *place).expect("reads").body;
        let kept = &all[usize::try_from(*number).expect("small") - 1].body;
        assert_eq!(&body, if *number == 2 { kept } else { &b"short"[..] });
    }
    assert_ne!(log.bytes(), before);
    let open_one = log.next_number();
    assert_eq!(log.rewrite(open_one, &mut |_| None).expect("nothing"), []);
    drop(log);
    // Interrupted before the rename: the old file counts.
    fs::write(files(folder.path())[1].with_extension("new"), b"half").expect("writes");
    let (_, opened, again) = open(folder.path());
    assert_eq!((opened.records, opened.damaged.len()), (24, 0));
    assert_eq!(again.len(), 24);
}

#[test]
fn an_append_that_fails_uses_up_no_number_and_the_log_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut log, ..) = open(folder.path());
    log.append(NOW, &bodies(1, 3)).expect("appends");
    // A folder that cannot hold another file: the place of the next one is taken.
    let next = folder.path().join(format!("{:020}.gplog", 7));
    log.append(NOW, &bodies(90, 3)).expect("appends");
    fs::create_dir(&next).expect("in the way");
    let error = log.append(NOW, &bodies(1, 1)).expect_err("no room");
    assert_eq!(error.code(), codes::LOG_IO);
    fs::remove_dir(&next).expect("room again");
    let written = log.append(NOW, &bodies(1, 1)).expect("goes on");
    assert_eq!(written[0].0, 7, "no number was used up");
}

#[test]
fn bytes_that_look_like_frames_are_none() {
    // A body that holds frames of another log, whole, and one with the greatest number.
    let mut inner = Vec::new();
    for number in [3, 4, u64::MAX] {
        frame::write(&mut inner, &[7; 16], number, NOW, b"forged").expect("a frame");
    }
    // And beginnings of long frames without end.
    let long = [0xff, 0xff, 0x3f, 0].repeat(60_000);
    let folder = tempfile::tempdir().expect("a folder");
    let (mut log, ..) = open(folder.path());
    log.append(NOW, &[b"one".to_vec(), [inner, long].concat(), b"three".to_vec()]).expect("x");
    drop(log);
    let file = &files(folder.path())[0];
    let mut bytes = fs::read(file).expect("bytes");
    bytes[48 + 27 + 4] ^= 1; // the checksum of the second
    fs::write(file, &bytes).expect("writes");
    let (_, opened, kept) = open(folder.path());
    let bodies: Vec<_> = kept.iter().map(|r| r.body.as_slice()).collect();
    assert_eq!(bodies, [&b"one"[..], b"three"]);
    assert_eq!(opened.damaged.len(), 1);
    assert_eq!(opened.damaged[0].lost, (2, Some(3)));
}

#[test]
fn a_last_file_that_is_cut_to_its_beginning_gives_no_number_twice() {
    let folder = tempfile::tempdir().expect("a folder");
    let all = filled(folder.path());
    let last = files(folder.path()).pop().expect("a file");
    fs::write(&last, b"gridpass").expect("writes");
    let (log, _, kept) = open(folder.path());
    assert!(kept.len() < all.len());
    assert!(log.next_number() > kept.last().expect("some").number + 1, "what it held is not known");
}

#[test]
fn a_file_that_is_gone_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    filled(folder.path());
    let all = files(folder.path());
    fs::remove_file(&all[1]).expect("removes");
    let (log, opened, kept) = open(folder.path());
    assert_eq!(opened.missing.len(), 1, "{opened:?}");
    let (first, last) = opened.missing[0];
    assert_eq!(kept.len() as u64, 24 - (last - first + 1));
    assert_eq!(log.next_number(), 25);
}

fn cut_ends(folder: &Path) -> Vec<PathBuf> {
    let all = fs::read_dir(folder).expect("a folder").map(|e| e.expect("an entry").path());
    all.filter(|p| p.to_str().is_some_and(|p| p.contains(".cut-at-"))).collect()
}

/// A log whose last write was cut off: its last file, and what stands in it.
fn torn(folder: &Path) -> (PathBuf, Vec<u8>) {
    filled(folder);
    let last = files(folder).pop().expect("a file");
    let bytes = [fs::read(&last).expect("bytes"), vec![7; 60]].concat();
    fs::write(&last, &bytes).expect("writes");
    (last, bytes)
}

#[test]
fn what_is_left_of_a_cut_that_was_interrupted_hides_no_file_that_is_gone() {
    let folder = tempfile::tempdir().expect("a folder");
    filled(folder.path());
    let all = files(folder.path());
    // A byte that was to become the end of the file before it, and the end of another one.
    fs::write(all[0].with_extension("cut-at-100-0"), [0_u8]).expect("writes");
    fs::write(all[2].with_extension("cut-at-48-0"), [0_u8; 4096]).expect("writes");
    fs::remove_file(&all[1]).expect("removes");
    let (_, opened, _) = open(folder.path());
    assert_eq!((opened.cut_ends, &opened.gone), (2, &opened.missing));
    let told = opened.told();
    assert_eq!((told.len(), told[0].0), (1, codes::LOG_DAMAGED), "{told:?}");
    assert!(told[0].1.contains("are gone"), "{told:?}");
}

#[test]
fn what_is_missing_behind_an_end_that_was_cut_off_is_explained_for_good() {
    let folder = tempfile::tempdir().expect("a folder");
    let (last, _) = torn(folder.path());
    let (mut log, opened, _) = open(folder.path());
    let told = opened.told();
    assert_eq!((told.len(), told[0].0), (1, codes::LOG_TORN), "{told:?}");
    log.append(NOW, &bodies(90, 3)).expect("goes on");
    drop(log);
    let check = || {
        let (log, opened, kept) = open(folder.path());
        assert_eq!((opened.missing.len(), opened.told()), (1, Vec::new()), "{opened:?}");
        assert_eq!(kept.len(), 24 + 3);
        log
    };
    let mut log = check();
    // Written anew, shorter, it is the same file.
    let first = log.closed().into_iter().next_back().expect("a closed file");
    assert_eq!(
        fs::read(&last).expect("there").len() as u64,
        log.segments.find(first).expect("it").length()
    );
    log.rewrite(first, &mut |_| Some(b"short".to_vec())).expect("rewrites");
    drop(log);
    let log = check();
    // Of what was cut off the length stays, and nothing that it held.
    assert_eq!(log.forget_cut_ends(UnixMillis::new(0)).expect("nothing is due"), 0);
    let aside = cut_ends(folder.path()).pop().expect("an end");
    assert_eq!(fs::read(&aside).expect("there"), [7; 60]);
    assert_eq!(log.forget_cut_ends(UnixMillis::MAX).expect("forgets"), 1);
    assert_eq!(fs::read(&aside).expect("there"), [0; 60]);
    assert_eq!(log.forget_cut_ends(UnixMillis::MAX).expect("nothing more"), 0);
    drop(log);
    check();
}

#[test]
fn a_start_that_is_ended_while_it_cuts_an_end_off_is_finished_by_the_next() {
    let folder = tempfile::tempdir().expect("a folder");
    let (last, bytes) = torn(folder.path());
    let (log, ..) = open(folder.path());
    let next = log.next_number();
    assert_eq!(next, 24 + 60 / 24 + 2);
    drop(log);
    let aside = cut_ends(folder.path()).pop().expect("an end");
    let begun = files(folder.path()).pop().expect("a file");
    assert_ne!(begun, last);
    // It was ended while the end was kept, or before the next file was there.
    for kept in [0, 1, 59, 60] {
        fs::write(&aside, &[7_u8; 60][..kept]).expect("writes");
        fs::write(&last, &bytes).expect("writes");
        fs::remove_file(&begun).expect("removes");
        let (log, opened, all) = open(folder.path());
        assert_eq!((opened.cut_off.as_ref(), opened.damaged.len()), (Some(&aside), 0));
        assert_eq!((all.len(), log.next_number()), (24, next));
        assert_eq!(
            cut_ends(folder.path()),
            std::slice::from_ref(&aside),
            "one that is whole is enough"
        );
        assert_eq!(fs::read(&aside).expect("kept"), [7; 60]);
    }
    // When the next file was there, whether or not something was written to it.
    for more in 0..2 {
        fs::write(&last, &bytes).expect("writes");
        let (mut log, opened, all) = open(folder.path());
        assert_eq!((opened.damaged.len(), opened.told()), (0, Vec::new()));
        assert_eq!((all.len(), log.next_number()), (24 + usize::from(more > 0), next + more));
        assert_eq!(fs::read(&last).expect("cut"), bytes[..bytes.len() - 60]);
        log.append(NOW, &[b"on".to_vec()]).expect("goes on");
    }
}

proptest! {
    #[test]
    fn a_write_that_was_cut_anywhere_loses_nothing_before_it(cut: prop::sample::Index) {
        let folder = tempfile::tempdir().expect("a folder");
        let all = filled(folder.path());
        let last = files(folder.path()).pop().expect("a file");
        let bytes = fs::read(&last).expect("bytes");
        let cut = cut.index(bytes.len());
        fs::write(&last, &bytes[..cut]).expect("writes");
        let (mut log, opened, kept) = open(folder.path());
        prop_assert_eq!(&kept[..], &all[..kept.len()]);
        prop_assert_eq!(&opened.damaged, &[]);
        let earlier: usize = all.len() - 4; // each file here holds whole groups of four
        prop_assert!(kept.len() >= earlier, "{} of {}", kept.len(), all.len());
        if let Some(aside) = opened.cut_off {
            let aside = fs::read(aside).expect("kept");
            prop_assert!(!aside.is_empty() && bytes[..cut].ends_with(&aside));
        }
        // It goes on where it ended.
        let written = log.append(NOW, &[b"on".to_vec()]).expect("appends");
        prop_assert!(written[0].0 > kept.last().expect("some").number);
        drop(log);
        let (_, opened, again) = open(folder.path());
        prop_assert_eq!(opened.damaged.len(), 0);
        prop_assert_eq!(again.last().map(|r| r.number), Some(written[0].0));
        prop_assert_eq!(again.len(), kept.len() + 1);
    }

    #[test]
    fn a_flipped_bit_costs_one_record_and_is_named(
        file: prop::sample::Index,
        at: prop::sample::Index,
        bit in 0_u8..8,
    ) {
        let folder = tempfile::tempdir().expect("a folder");
        let all = filled(folder.path());
        let files = files(folder.path());
        let file = &files[file.index(files.len())];
        let mut bytes = fs::read(file).expect("bytes");
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        fs::write(file, &bytes).expect("writes");
        if at == 13 && bytes[at].is_ascii_digit() {
            // That line is one of another version, which is not touched.
            return Ok(());
        }
        let (mut log, opened, kept) = open(folder.path());
        prop_assert!(kept.iter().all(|r| all.contains(r)));
        let lost: Vec<_> = all.iter().filter(|r| !kept.contains(r)).map(|r| r.number).collect();
        if at < 48 {
            // The beginning is named, and no record is lost.
            prop_assert_eq!(opened.damaged.len(), 1, "{:?}", opened);
            prop_assert!(lost.is_empty(), "{:?}", lost);
        } else {
            prop_assert_eq!(lost.len(), 1, "{:?}", opened);
            match (&opened.damaged[..], &opened.cut_off) {
                ([damage], None) => {
                    prop_assert!(damage.from <= at as u64 && (at as u64) < damage.until);
                    prop_assert_eq!(damage.lost.0, lost[0]);
                    prop_assert_eq!(&damage.file, file);
                }
                // At the very end nobody can tell it from a write that was cut; it is kept aside.
                ([], Some(_)) => prop_assert_eq!(lost[0], 24),
                other => prop_assert!(false, "{other:?}"),
            }
        }
        // It goes on, and no number is given twice.
        let written = log.append(NOW, &[b"on".to_vec()]).expect("appends");
        prop_assert!(written[0].0 > 24, "{:?}", written);
    }
}

#[test]
fn a_log_that_is_open_in_this_process_is_not_said_to_be_open_in_another() {
    let folder = tempfile::tempdir().expect("a folder");
    let (log, ..) = open(folder.path());
    let again = Log::open_with(folder.path(), 400, &mut |_, _| ()).map(|_| ());
    let refused = again.expect_err("it is open");
    assert_eq!(refused.code(), codes::LOG_IN_USE);
    assert!(refused.to_string().contains("or in this one"), "{refused}");
    drop(log);
    open(folder.path());
}
