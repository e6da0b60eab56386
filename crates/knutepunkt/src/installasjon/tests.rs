use uuid::Uuid;

use super::mark::MarkFile;
use crate::backup::tests::{config, start};

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
    let findings = crate::doctor::place::look(&first, &super::Places::of(&first).unwrap()).await;
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
