use std::path::Path;

use uuid::Uuid;

use super::mark::MarkFile;
use crate::backup::tests::{COUNT, config, fill, fill_tables, start};
use crate::doctor::Level;

/// As when its disk is not mounted, or the folder's name is mistyped.
#[tokio::test]
async fn installation_that_the_configuration_names_is_never_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = config(folder.path().join("data"));
    start(&first).await.unwrap().stop().await.unwrap();
    let id = MarkFile::read(&first.data).unwrap().unwrap().installasjon;
    first.installasjon = id.to_string();
    start(&first).await.unwrap().stop().await.unwrap();

    let mut elsewhere = first.clone();
    elsewhere.data = folder.path().join("daat");
    let refused = start(&elsewhere).await.err().unwrap().to_string();
    assert!(refused.contains(&format!("names installation {id}, but there is none here")), "{refused}");
    assert!(refused.contains("looked at: registry /") && !elsewhere.data.exists(), "{refused}");

    std::fs::create_dir(&elsewhere.data).unwrap();
    assert!(start(&elsewhere).await.is_err(), "the place where a disk would be mounted");
    elsewhere.installasjon = String::new();
    start(&elsewhere).await.unwrap().stop().await.unwrap();
    elsewhere.installasjon = id.to_string();
    let refused = start(&elsewhere).await.err().unwrap().to_string();
    assert!(refused.contains("but this is installation"), "{refused}");

    first.installasjon = Uuid::nil().to_string();
    let findings = crate::doctor::place::look(&first, &super::Places::of(&first).unwrap(), false).await;
    assert!(
        findings.iter().any(|finding| finding.to_string().contains("but this is installation")),
        "{findings:#?}"
    );
    let refused = super::require(&first).await.err().unwrap().to_string();
    assert!(
        refused.contains("but this is installation"),
        "a command changes nothing there either: {refused}"
    );
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else if entry.path().is_file() {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// As when the disk of the data folder is put back to an earlier state, and the registry lies on another one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn older_data_folder_beside_a_newer_registry_is_refused_until_it_is_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path().join("data"));
    let registry = folder.path().join("register");
    std::fs::create_dir(&registry).unwrap();
    config.registry.url = format!("sqlite://{}?mode=rwc", registry.join("register.sqlite").display());
    let file = folder.path().join("knutepunkt.toml");
    let text =
        format!("data = {:?}\nregistry.url = {:?}\n", config.data.display().to_string(), config.registry.url);
    std::fs::write(&file, text).unwrap();

    let running = start(&config).await.unwrap();
    fill(&running, &config).await;
    running.stop().await.unwrap();
    copy(&config.data, &folder.path().join("early"));
    let running = start(&config).await.unwrap();
    fill(&running, &config).await;
    // Nothing of how it stops is needed: what was noted at the start is enough.
    running.stop().await.unwrap();
    std::fs::remove_dir_all(&config.data).unwrap();
    std::fs::rename(folder.path().join("early"), &config.data).unwrap();

    let refused = format!("{:#}", start(&config).await.err().unwrap());
    assert!(refused.contains("put back to an earlier state") && refused.contains("--godta-tap"), "{refused}");
    let found = crate::commands::doctor::findings(Some(&file), None, true).await;
    assert!(
        found
            .iter()
            .any(|f| f.level == Level::Fault && f.to_string().contains("put back to an earlier state")),
        "{found:#?}"
    );
    let args = |godta_tap| crate::commands::repair::RepairArgs {
        config: Some(file.clone()),
        data: None,
        berg: false,
        godta_tap,
    };
    let refused = crate::commands::repair::run(args(false)).await.unwrap_err().to_string();
    assert!(refused.contains("put back to an earlier state"), "{refused}");
    crate::commands::repair::run(args(true)).await.unwrap();

    let running = start(&config).await.unwrap();
    let broker = running.app.broker();
    let waiting = broker.list_set_aside().await.unwrap();
    assert_eq!(waiting.iter().map(|(_, queue)| queue.ready).sum::<u64>(), COUNT, "{waiting:?}");
    running.stop().await.unwrap();
}

/// A change would bring its generation beyond what the log knows of it, and the next start would say nothing.
#[tokio::test]
async fn command_that_changes_something_does_not_hide_an_older_registry() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path().join("data"));
    start(&config).await.unwrap().stop().await.unwrap();
    super::require(&config).await.unwrap();
    let mut mark = MarkFile::read(&config.data).unwrap().unwrap();
    let reached = mark.reached.as_mut().unwrap();
    reached.generation += 1;
    MarkFile::write(&config.data, mark).unwrap();
    let refused = super::require(&config).await.err().unwrap().to_string();
    assert!(
        refused.contains("older than the queue log") && refused.contains("start the server first"),
        "{refused}"
    );
    let running = start(&config).await.unwrap();
    super::require(&config).await.unwrap();
    running.stop().await.unwrap();
}

/// Whoever opens the registry then makes another log of changes, or index, beside that of the server, and both lose what they write.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn command_beside_a_server_whose_registry_was_moved_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path().join("data"));
    let running = start(&config).await.unwrap();
    let (index, aside) = (config.data.join("register.sqlite-shm"), folder.path().join("aside"));
    std::fs::rename(&index, &aside).unwrap();
    let refused = super::require(&config).await.err().unwrap().to_string();
    assert!(refused.contains("nothing was changed"), "{refused}");
    assert!(!index.exists(), "no other one was made");
    std::fs::rename(&aside, &index).unwrap();
    super::require(&config).await.unwrap();
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn log_that_was_moved_under_a_server_is_told_by_doctor_and_can_be_copied() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path().join("data"));
    let running = start(&config).await.unwrap();
    fill(&running, &config).await;
    let (log, aside) = (config.data.join("ko"), config.data.join("aside"));
    std::fs::rename(&log, &aside).unwrap();
    let told = async {
        loop {
            let found = crate::commands::doctor::findings(None, Some(config.data.clone()), true).await;
            if found
                .iter()
                .any(|f| f.level == Level::Fault && f.to_string().contains("under the server that runs"))
            {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), told).await.unwrap();
    let is_down = async {
        while !running.app.helse().nede().any(|del| del == app::ports::Del::Meldingsko) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), is_down).await.unwrap();
    let back_up = async |name: &str| {
        let target = folder.path().join(name);
        let request = crate::styring::Request::Backup { target: target.clone() };
        let made = crate::styring::ask::<serde_json::Value>(&config.data, &request).await;
        (made.map(|_| ()).map_err(|error| format!("{error:#}")), target.exists())
    };
    assert_eq!(back_up("backup").await, (Ok(()), true), "nothing is read from a table yet");

    // What stands in its place has tables of the same names.
    copy(&aside, &log);
    let (refused, is_there) = back_up("of another").await;
    let refused = refused.unwrap_err();
    assert!(refused.contains("is not the folder of the queue log that the server has open"), "{refused}");
    assert!(
        refused.contains("put back the right one: the server goes on by itself then") && !is_there,
        "{refused}"
    );
    std::fs::remove_dir_all(&log).unwrap();
    std::fs::rename(&aside, &log).unwrap();
    running.stop().await.unwrap();

    // With tables, which are opened as they are needed.
    let running = start(&config).await.unwrap();
    fill_tables(&running, &config).await;
    running.stop().await.unwrap();
    let running = start(&config).await.unwrap();
    std::fs::rename(&log, &aside).unwrap();
    let (refused, is_there) = back_up("without tables").await;
    let refused = refused.unwrap_err();
    assert!(
        refused
            .contains("without them no backup can be made. Do not stop the server. Put back what was moved"),
        "{refused}"
    );
    assert!(!refused.contains("FjallError") && !is_there, "{refused}");
    std::fs::rename(&aside, &log).unwrap();
    assert_eq!(back_up("at last").await, (Ok(()), true));
    running.stop().await.unwrap();
}

/// A command that opened it by its name would make an empty file in the place of the one that was moved, and the next start would miss
/// what stands in that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn registry_that_was_moved_under_a_server_is_opened_by_no_command() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path().join("data"));
    let running = start(&config).await.unwrap();
    fill(&running, &config).await;
    for name in ["register.sqlite-wal", "register.sqlite"] {
        let (file, aside) = (config.data.join(name), folder.path().join("aside"));
        std::fs::rename(&file, &aside).unwrap();
        let target = folder.path().join("backup");
        let request = crate::styring::Request::Backup { target: target.clone() };
        let refused = crate::styring::ask::<serde_json::Value>(&config.data, &request).await.unwrap_err();
        let refused = refused.to_string();
        assert!(
            refused.contains("so no backup can be made: see to that first, as its log says: put back"),
            "{refused}"
        );
        let found = crate::commands::doctor::findings(None, Some(config.data.clone()), true).await;
        assert!(
            found.iter().any(|found| found.level == Level::Fault
                && found.to_string().contains("a file of the registry was removed, moved or replaced")),
            "{found:#?}"
        );
        assert!(!found.iter().any(|found| found.to_string().contains("(code")), "{found:#?}");
        assert!(!target.exists() && !file.exists(), "{name}");
        std::fs::rename(&aside, &file).unwrap();
    }
    running.stop().await.unwrap();
}
