//! Whether registry, queue log, payloads and key belong to one installation: the rules, without looking at anything.

use storage::Stand;
use uuid::Uuid;

use super::mark::Mark;

/// What a part holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    /// It is not there.
    Missing,
    /// It is there, and nobody has used it.
    Empty,
    /// It is in use.
    Filled,
}

/// The registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RegistryPart {
    pub(crate) content: Content,
    pub(crate) installasjon: Option<Uuid>,
    pub(crate) stand: Stand,
}

/// The queue log, and what stands beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LogPart {
    pub(crate) is_there: bool,
    pub(crate) mark: Option<Mark>,
}

/// Dokumentlager.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PayloadPart {
    pub(crate) content: Content,
    pub(crate) installasjon: Option<Uuid>,
}

/// The key of the passwords.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyPart {
    /// It is not there.
    Missing,
    /// It is there, and nothing tells whether it is the right one.
    There,
    /// It is the one that the registry was filled with.
    Fits,
    /// It is another one.
    Differs,
}

/// What an installation is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Parts {
    pub(crate) registry: RegistryPart,
    pub(crate) log: LogPart,
    pub(crate) payloads: PayloadPart,
    pub(crate) key: KeyPart,
}

/// The parts may be used together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// A new installation. Its id, if a start that was cut off has given it one.
    New(Option<Uuid>),
    /// An installation whose parts do not all carry an id yet, as those made by earlier versions. Its id, as above.
    Adopt(Option<Uuid>),
    /// All parts carry the same id.
    Same {
        /// The id.
        installasjon: Uuid,
        /// The registry has been further than it is.
        older: bool,
    },
}

/// The parts must not be used together. Nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// No registry, or one without anything in it, beside parts that are in use.
    #[error(
        "the registry is missing or empty, but queue log, payloads or key beside it are in use. Name the right registry in \
         registry.url, or restore it (register.sqlite together with its -wal); for a new installation name an empty folder \
         in data"
    )]
    RegistryLost,
    /// The registry carries no id, but the others were used with one that does.
    #[error(
        "the registry carries no installation id, but the queue log belongs to installation {log}: this is another registry, \
         or a copy from before the installation got its id. Name the right registry in registry.url or restore a newer copy. \
         If you know that it is this installation's, run: knutepunkt admin installasjon bind --id {log}"
    )]
    RegistryUnbound {
        /// Whose the log is.
        log: Uuid,
    },
    /// The log is gone.
    #[error(
        "the queue log is missing, but the registry is that of an installation that has one: its meldinger would be lost. \
         Name the right folder in data, or restore the folder \"ko\" together with the file \"ko.installasjon\""
    )]
    LogMissing,
    /// The file beside the log is gone.
    #[error(
        "the file that tells which installation the queue log belongs to is missing. Restore \"ko.installasjon\" together \
         with the folder \"ko\". If you know that this is the log of installation {registry}, run: \
         knutepunkt admin installasjon bind --id {registry}"
    )]
    MarkMissing {
        /// Whose the registry is.
        registry: Uuid,
    },
    /// The log is another's.
    #[error(
        "the registry belongs to installation {registry}, but the queue log to installation {log}. Name the registry and the \
         data folder of the same installation in registry.url and data"
    )]
    ForeignLog {
        /// Whose the registry is.
        registry: Uuid,
        /// Whose the log is.
        log: Uuid,
    },
    /// Dokumentlager is gone.
    #[error(
        "the payloads in Dokumentlager are missing, but the registry knows of an installation that has them. Name the right \
         folder in data, mount its disk, or restore the folder \"dokumentlager\""
    )]
    PayloadsMissing,
    /// Dokumentlager is another's.
    #[error(
        "Dokumentlager does not belong to this installation. Name the registry and the data folder of the same installation in \
         registry.url and data, or restore the folder \"dokumentlager\" with the file \"installasjon\" in it"
    )]
    ForeignPayloads,
    /// The key is gone.
    #[error(
        "passord.key is missing, but the registry is in use: with a new key nobody could log in. Restore it from a backup; it \
         cannot be made again"
    )]
    KeyMissing,
    /// The key is another's.
    #[error(
        "passord.key is not the key that this registry was filled with: nobody could log in. Restore the right one from a \
         backup, or name the right registry in registry.url"
    )]
    ForeignKey,
}

/// Judges whether the parts belong together.
///
/// A first start writes the id to the mark, then to Dokumentlager, makes the key, and writes it to the registry last; how far
/// the registry has come stands in the mark only after that. So a mark that tells it was once used with a registry that
/// carried the id, and where a start was cut off before, the next one goes on with the same id.
pub(crate) fn judge(parts: &Parts) -> Result<Verdict, Refusal> {
    match parts.registry.installasjon {
        Some(installasjon) => bound(parts, installasjon),
        None => unbound(parts),
    }
}

fn bound(parts: &Parts, installasjon: Uuid) -> Result<Verdict, Refusal> {
    let Parts { registry, log, payloads, key } = parts;
    if !log.is_there {
        return Err(Refusal::LogMissing);
    }
    let mark = log.mark.ok_or(Refusal::MarkMissing { registry: installasjon })?;
    if mark.installasjon != installasjon {
        return Err(Refusal::ForeignLog { registry: installasjon, log: mark.installasjon });
    }
    match payloads.installasjon {
        Some(found) if found == installasjon => {}
        None if payloads.content != Content::Filled => return Err(Refusal::PayloadsMissing),
        Some(_) | None => return Err(Refusal::ForeignPayloads),
    }
    match key {
        KeyPart::Missing => return Err(Refusal::KeyMissing),
        KeyPart::Differs => return Err(Refusal::ForeignKey),
        KeyPart::There | KeyPart::Fits => {}
    }
    let older = mark.reached.is_some_and(|reached| reached.is_beyond(&registry.stand));
    Ok(Verdict::Same { installasjon, older })
}

fn unbound(parts: &Parts) -> Result<Verdict, Refusal> {
    let Parts { registry, log, payloads, key } = parts;
    let mark = log.mark;
    let id = mark.map(|mark| mark.installasjon);
    // The mark comes first, so a Dokumentlager with an id has one beside it that is the same.
    if payloads.installasjon.is_some() && payloads.installasjon != id {
        return Err(if registry.content == Content::Filled {
            Refusal::ForeignPayloads
        } else {
            Refusal::RegistryLost
        });
    }
    let was_bound = mark.filter(|mark| mark.reached.is_some());
    if registry.content == Content::Filled {
        if let Some(mark) = was_bound {
            return Err(Refusal::RegistryUnbound { log: mark.installasjon });
        }
        if *key == KeyPart::Missing {
            return Err(Refusal::KeyMissing);
        }
        if !log.is_there && registry.stand.kontoer > 0 {
            return Err(Refusal::LogMissing);
        }
        if payloads.content == Content::Missing && registry.stand.dokumenter > 0 {
            return Err(Refusal::PayloadsMissing);
        }
        return Ok(Verdict::Adopt(id));
    }
    let is_missing = registry.content == Content::Missing;
    let others_in_use = was_bound.is_some()
        || payloads.content == Content::Filled
        || (is_missing && mark.is_none() && (log.is_there || *key != KeyPart::Missing));
    if others_in_use {
        return Err(Refusal::RegistryLost);
    }
    // Earlier versions made all parts at their first start: this log has been opened, though not necessarily used.
    Ok(if log.is_there { Verdict::Adopt(id) } else { Verdict::New(id) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: Uuid = Uuid::from_u128(1);
    const ANOTHER: Uuid = Uuid::from_u128(2);

    fn stand(generation: u64) -> Stand {
        Stand { generation, organisasjoner: 2, kontoer: 2, dokumenter: 1, lagrede_dokumenter: 5 }
    }

    /// An installation that has been used.
    fn whole() -> Parts {
        Parts {
            registry: RegistryPart { content: Content::Filled, installasjon: Some(OURS), stand: stand(10) },
            log: LogPart {
                is_there: true,
                mark: Some(Mark { installasjon: OURS, reached: Some(stand(10)) }),
            },
            payloads: PayloadPart { content: Content::Filled, installasjon: Some(OURS) },
            key: KeyPart::Fits,
        }
    }

    /// The same as an earlier version has left it.
    fn earlier() -> Parts {
        let mut parts = whole();
        parts.registry.installasjon = None;
        parts.log.mark = None;
        parts.payloads.installasjon = None;
        parts.key = KeyPart::There;
        parts
    }

    fn nothing() -> Parts {
        Parts {
            registry: RegistryPart { content: Content::Missing, installasjon: None, stand: Stand::default() },
            log: LogPart { is_there: false, mark: None },
            payloads: PayloadPart { content: Content::Missing, installasjon: None },
            key: KeyPart::Missing,
        }
    }

    fn with(mut parts: Parts, change: impl FnOnce(&mut Parts)) -> Parts {
        change(&mut parts);
        parts
    }

    fn lose_registry(content: Content) -> impl FnOnce(&mut Parts) {
        move |parts| parts.registry = RegistryPart { content, ..nothing().registry }
    }

    #[test]
    fn parts_that_belong_together_may_be_used() {
        let same = |older| Ok(Verdict::Same { installasjon: OURS, older });
        let unconfirmed = Some(Mark { installasjon: OURS, reached: None });
        for (what, parts, expected) in [
            ("nothing at all", nothing(), Ok(Verdict::New(None))),
            ("all in place", whole(), same(false)),
            ("nobody registered yet", with(whole(), |p| p.registry.content = Content::Empty), same(false)),
            ("no payload yet", with(whole(), |p| p.payloads.content = Content::Empty), same(false)),
            ("registry further than the mark", with(whole(), |p| p.registry.stand = stand(11)), same(false)),
            ("registry restored or damaged", with(whole(), |p| p.registry.stand = stand(9)), same(true)),
            (
                "registry from before a dokument came",
                with(whole(), |p| p.registry.stand.lagrede_dokumenter = 4),
                same(true),
            ),
            ("first start cut off before the mark", with(whole(), |p| p.log.mark = unconfirmed), same(false)),
            ("of an earlier version", earlier(), Ok(Verdict::Adopt(None))),
            (
                "adoption cut off",
                with(earlier(), |p| p.log.mark = unconfirmed),
                Ok(Verdict::Adopt(Some(OURS))),
            ),
            (
                "adoption cut off later",
                with(earlier(), |p| {
                    p.log.mark = unconfirmed;
                    p.payloads.installasjon = Some(OURS);
                }),
                Ok(Verdict::Adopt(Some(OURS))),
            ),
            (
                "of an earlier version, unused",
                with(earlier(), |p| {
                    p.registry.content = Content::Empty;
                    p.payloads.content = Content::Empty;
                }),
                Ok(Verdict::Adopt(None)),
            ),
            (
                "of an earlier version, never served",
                with(earlier(), |p| {
                    p.log.is_there = false;
                    p.registry.stand.kontoer = 0;
                    p.registry.stand.dokumenter = 0;
                    p.payloads.content = Content::Missing;
                }),
                Ok(Verdict::Adopt(None)),
            ),
            (
                "first start cut off after the mark",
                with(nothing(), |p| p.log.mark = unconfirmed),
                Ok(Verdict::New(Some(OURS))),
            ),
            (
                "first start cut off after migrating",
                with(nothing(), |p| {
                    p.registry.content = Content::Empty;
                    p.log.mark = unconfirmed;
                    p.payloads = PayloadPart { content: Content::Empty, installasjon: Some(OURS) };
                    p.key = KeyPart::There;
                }),
                Ok(Verdict::New(Some(OURS))),
            ),
            (
                "first start cut off after the log",
                with(nothing(), |p| {
                    p.registry.content = Content::Empty;
                    p.log = LogPart { is_there: true, mark: unconfirmed };
                    p.payloads = PayloadPart { content: Content::Empty, installasjon: Some(OURS) };
                    p.key = KeyPart::There;
                }),
                Ok(Verdict::Adopt(Some(OURS))),
            ),
        ] {
            assert_eq!(judge(&parts), expected, "{what}");
        }
    }

    #[test]
    fn missing_foreign_and_empty_parts_are_refused_by_name() {
        let foreign = Some(Mark { installasjon: ANOTHER, reached: Some(stand(3)) });
        for (what, parts, expected) in [
            ("registry missing", with(whole(), lose_registry(Content::Missing)), Refusal::RegistryLost),
            ("registry empty", with(whole(), lose_registry(Content::Empty)), Refusal::RegistryLost),
            (
                "registry missing, earlier",
                with(earlier(), lose_registry(Content::Missing)),
                Refusal::RegistryLost,
            ),
            (
                "registry empty, earlier",
                with(earlier(), lose_registry(Content::Empty)),
                Refusal::RegistryLost,
            ),
            (
                "registry missing beside a log alone",
                with(nothing(), |p| p.log.is_there = true),
                Refusal::RegistryLost,
            ),
            (
                "registry missing beside a key alone",
                with(nothing(), |p| p.key = KeyPart::There),
                Refusal::RegistryLost,
            ),
            (
                "registry missing beside payloads alone",
                with(nothing(), |p| {
                    p.payloads = PayloadPart { content: Content::Empty, installasjon: Some(OURS) };
                }),
                Refusal::RegistryLost,
            ),
            (
                "registry of before the id",
                with(whole(), |p| p.registry.installasjon = None),
                Refusal::RegistryUnbound { log: OURS },
            ),
            ("log missing", with(whole(), |p| p.log.is_there = false), Refusal::LogMissing),
            ("log and mark missing", with(whole(), |p| p.log = nothing().log), Refusal::LogMissing),
            ("log missing, earlier", with(earlier(), |p| p.log.is_there = false), Refusal::LogMissing),
            ("mark missing", with(whole(), |p| p.log.mark = None), Refusal::MarkMissing { registry: OURS }),
            (
                "another log",
                with(whole(), |p| p.log.mark = foreign),
                Refusal::ForeignLog { registry: OURS, log: ANOTHER },
            ),
            (
                "another registry",
                with(whole(), |p| p.registry.installasjon = Some(ANOTHER)),
                Refusal::ForeignLog { registry: ANOTHER, log: OURS },
            ),
            (
                "payloads missing",
                with(whole(), |p| p.payloads = nothing().payloads),
                Refusal::PayloadsMissing,
            ),
            (
                "payloads not mounted",
                with(whole(), |p| {
                    p.payloads = PayloadPart { content: Content::Empty, installasjon: None };
                }),
                Refusal::PayloadsMissing,
            ),
            (
                "payloads missing, earlier",
                with(earlier(), |p| p.payloads.content = Content::Missing),
                Refusal::PayloadsMissing,
            ),
            (
                "payloads without id",
                with(whole(), |p| p.payloads.installasjon = None),
                Refusal::ForeignPayloads,
            ),
            (
                "other payloads",
                with(whole(), |p| p.payloads.installasjon = Some(ANOTHER)),
                Refusal::ForeignPayloads,
            ),
            (
                "other payloads, earlier",
                with(earlier(), |p| p.payloads.installasjon = Some(ANOTHER)),
                Refusal::ForeignPayloads,
            ),
            ("key missing", with(whole(), |p| p.key = KeyPart::Missing), Refusal::KeyMissing),
            ("key missing, earlier", with(earlier(), |p| p.key = KeyPart::Missing), Refusal::KeyMissing),
            ("another key", with(whole(), |p| p.key = KeyPart::Differs), Refusal::ForeignKey),
        ] {
            assert_eq!(judge(&parts), Err(expected), "{what}");
        }
    }

    /// Whatever is combined with whatever: an id that is not everybody's is never taken for one installation.
    #[test]
    fn no_combination_mixes_two_installations() {
        let ids = [None, Some(OURS), Some(ANOTHER)];
        let contents = [Content::Missing, Content::Empty, Content::Filled];
        let keys = [KeyPart::Missing, KeyPart::There, KeyPart::Fits, KeyPart::Differs];
        let marks = ids.iter().flat_map(|id| {
            [None, Some(stand(10))].map(|reached| id.map(|installasjon| Mark { installasjon, reached }))
        });
        let marks: Vec<_> = marks.collect();
        let mut judged = 0;
        for content in contents {
            for installasjon in ids {
                for mark in &marks {
                    for is_there in [false, true] {
                        for payloads in contents {
                            for object in ids {
                                for key in keys {
                                    let registry = RegistryPart {
                                        content,
                                        installasjon,
                                        stand: Stand {
                                            kontoer: u64::from(content == Content::Filled),
                                            dokumenter: u64::from(content == Content::Filled),
                                            ..stand(10)
                                        },
                                    };
                                    let parts = Parts {
                                        registry,
                                        log: LogPart { is_there, mark: *mark },
                                        payloads: PayloadPart { content: payloads, installasjon: object },
                                        key,
                                    };
                                    judged += 1;
                                    let carried: std::collections::BTreeSet<_> =
                                        [installasjon, mark.map(|mark| mark.installasjon), object]
                                            .into_iter()
                                            .flatten()
                                            .collect();
                                    if let Ok(verdict) = judge(&parts) {
                                        assert!(carried.len() <= 1, "{parts:?}");
                                        let in_use = content == Content::Filled || installasjon.is_some();
                                        assert!(!(in_use && key == KeyPart::Missing), "{parts:?}");
                                        assert!(
                                            !(in_use && !is_there && registry.stand.kontoer > 0),
                                            "{parts:?}"
                                        );
                                        let is_new = matches!(verdict, Verdict::New(_));
                                        assert!(!(is_new && payloads == Content::Filled), "{parts:?}");
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
        assert!(judged > 3_000);
    }
}
