//! What the journal promises: torn tails, damage, full disks.

use std::fs;

use super::*;

fn genesis() -> BlockHash {
    BlockHash::from_byte_array([7; 32])
}

fn blocks(journal: &Journal, scan: &Scan) -> Vec<Vec<u8>> {
    scan.entries
        .iter()
        .filter_map(|entry| match entry {
            Entry::Block { offset, len } => Some(journal.block(*offset, *len).unwrap()),
            Entry::Closed(_) => None,
        })
        .collect()
}

#[test]
fn a_tail_torn_at_any_byte_costs_only_the_last_record() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("blocks.journal");
    let (mut journal, _) = Journal::open(&path, genesis()).unwrap();
    journal.append_block(b"first").unwrap();
    let before = journal.len();
    journal.append_block(&[9; 300]).unwrap();
    let whole = fs::read(&path).unwrap();
    drop(journal);

    for cut in usize::try_from(before).unwrap()..whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        let (mut journal, scan) = Journal::open(&path, genesis()).unwrap();
        assert_eq!(blocks(&journal, &scan), [b"first"], "cut at {cut}");
        assert_eq!(scan.warning.is_some(), cut as u64 != before, "cut at {cut}");
        journal.append_block(b"second").unwrap();
        drop(journal);
        let (journal, scan) = Journal::open(&path, genesis()).unwrap();
        assert_eq!(blocks(&journal, &scan), [&b"first"[..], b"second"]);
        assert!(scan.warning.is_none());
    }
    assert!(!path.with_extension("damaged").exists());
}

#[test]
fn a_tail_of_zeros_is_torn_and_a_flipped_bit_is_damage() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("blocks.journal");
    let (mut journal, _) = Journal::open(&path, genesis()).unwrap();
    journal.append_block(b"first").unwrap();
    let good = fs::read(&path).unwrap();
    journal.append_block(b"second").unwrap();
    let mut damaged = fs::read(&path).unwrap();
    drop(journal);

    let mut zeros = good.clone();
    zeros.resize(good.len() + 5000, 0);
    fs::write(&path, &zeros).unwrap();
    let (journal, scan) = Journal::open(&path, genesis()).unwrap();
    assert_eq!(blocks(&journal, &scan), [b"first"]);
    assert!(!path.with_extension("damaged").exists());
    drop(journal);

    damaged[HEADER_BYTES + PREFIX] ^= 1;
    fs::write(&path, &damaged).unwrap();
    let (_, scan) = Journal::open(&path, genesis()).unwrap();
    assert!(scan.entries.is_empty());
    assert_eq!(
        fs::read(path.with_extension("damaged")).unwrap(),
        damaged,
        "what is cut off is kept aside"
    );
}

#[test]
fn a_refused_block_is_taken_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("blocks.journal");
    let (mut journal, _) = Journal::open(&path, genesis()).unwrap();
    journal.append_block(b"good").unwrap();
    let starts = journal.append_blocks(&[b"refused"]).unwrap();
    journal.take_back(starts[0]).unwrap();
    journal.take_back(starts[0]).unwrap();
    drop(journal);

    let (journal, scan) = Journal::open(&path, genesis()).unwrap();
    assert_eq!(blocks(&journal, &scan), [b"good"]);
}

#[test]
fn of_a_batch_everything_from_one_record_on_is_taken_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("blocks.journal");
    let (mut journal, _) = Journal::open(&path, genesis()).unwrap();
    journal.append_block(b"before").unwrap();
    let starts = journal
        .append_blocks(&[&b"one"[..], b"two", b"three"])
        .unwrap();
    assert_eq!(starts.len(), 3);
    assert!(journal.append_blocks(&[]).unwrap().is_empty());
    journal.take_back(starts[1]).unwrap();
    journal.append_block(b"after").unwrap();
    drop(journal);

    let (journal, scan) = Journal::open(&path, genesis()).unwrap();
    assert_eq!(blocks(&journal, &scan), [&b"before"[..], b"one", b"after"]);
    assert!(scan.warning.is_none());
}

#[test]
fn of_a_batch_that_a_power_cut_tore_the_whole_beginning_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("blocks.journal");
    let (mut journal, _) = Journal::open(&path, genesis()).unwrap();
    let batch: Vec<Vec<u8>> = (1..=5).map(|number| vec![number; 5000]).collect();
    let parts: Vec<&[u8]> = batch.iter().map(Vec::as_slice).collect();
    let starts = journal.append_blocks(&parts).unwrap();
    drop(journal);
    let whole = fs::read(&path).unwrap();

    // Any page may be missing, whatever became of those behind it.
    for page in 0..whole.len() / 4096 {
        let mut torn = whole.clone();
        let from = (page * 4096).max(HEADER_BYTES);
        torn[from..((page + 1) * 4096).min(whole.len())].fill(0);
        fs::write(&path, &torn).unwrap();
        let (journal, scan) = Journal::open(&path, genesis()).unwrap();
        let first_hurt = starts
            .iter()
            .rposition(|start| *start <= from as u64)
            .unwrap();
        assert_eq!(blocks(&journal, &scan), &batch[..first_hurt], "page {page}");
        let warning = scan.warning.unwrap();
        assert!(
            warning.contains("none of which was acknowledged")
                || warning.contains("were never acknowledged"),
            "{warning}"
        );
    }
}

#[test]
fn a_journal_of_another_chain_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("blocks.journal");
    Journal::open(&path, BlockHash::all_zeros()).unwrap();

    let error = Journal::open(&path, genesis()).unwrap_err();
    assert!(matches!(error, EngineError::ForeignJournal { .. }));
}

/// The system's own limit on file sizes stands in for a full disk: both make a write fail
/// half-way. The shell sets it, because the test itself may not use `unsafe`.
#[test]
fn a_full_disk_is_an_error_and_leaves_the_journal_whole() {
    const CHILD: &str = "BLLVM_TEST_FULL_DISK";
    if let Some(path) = std::env::var_os(CHILD) {
        let (mut journal, _) = Journal::open(Path::new(&path), genesis()).unwrap();
        journal.append_block(b"fits").unwrap();
        let error = journal.append_block(&vec![1; 100_000]).unwrap_err();
        assert!(matches!(error, EngineError::JournalWrite { .. }), "{error}");
        journal.append_block(b"fits too").unwrap();
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("blocks.journal");
    let status = std::process::Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 40; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "journal::tests::a_full_disk_is_an_error_and_leaves_the_journal_whole",
        ])
        .env(CHILD, &path)
        .stdout(std::process::Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());

    let (journal, scan) = Journal::open(&path, genesis()).unwrap();
    assert_eq!(blocks(&journal, &scan), [&b"fits"[..], b"fits too"]);
    assert!(scan.warning.is_none());
}
