//! What the headers of a delivery say.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};
use wire::headers as names;
use wire::id::{DokumentId, KontoId, MeldingId};
use wire::queue::konto_of_queue;

use crate::error::Error;

/// The headers of a delivery that has all that a melding must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Headers {
    pub(crate) melding_id: MeldingId,
    pub(crate) melding_type: String,
    pub(crate) avsender_konto_id: KontoId,
    pub(crate) mottaker_konto_id: KontoId,
    pub(crate) svar_pa_melding: Option<MeldingId>,
    pub(crate) svar_pa_melding_type: Option<String>,
    pub(crate) dokumentlager_id: Option<DokumentId>,
    pub(crate) ttl: Option<Duration>,
    pub(crate) headere: BTreeMap<String, String>,
}

impl Headers {
    /// Reads the headers of a delivery to `konto`.
    ///
    /// Mandatory headers must be there and be right. Of the others only a broken `dokumentlager-id` is an error, since
    /// the payload would be lost without anyone seeing it; the rest are as if absent, as in the official .NET client.
    pub(crate) fn parse(
        properties: &BasicProperties,
        routing_key: &str,
        konto: KontoId,
    ) -> Result<Self, Error> {
        let empty = FieldTable::default();
        let table = properties.headers().as_ref().unwrap_or(&empty);
        let header = |name: &str| table.inner().get(name).and_then(text);
        let melding: Option<MeldingId> = header(names::MELDING_ID).and_then(|text| text.parse().ok());
        let bad = |reason: String| Error::BadDelivery { melding, reason };

        Ok(Self {
            melding_id: mandatory(header(names::MELDING_ID), names::MELDING_ID).map_err(bad)?,
            melding_type: header(names::TYPE)
                .filter(|text| !text.is_empty())
                .ok_or_else(|| bad(format!("header `{}` is missing", names::TYPE)))?,
            avsender_konto_id: mandatory(header(names::AVSENDER_ID), names::AVSENDER_ID).map_err(bad)?,
            mottaker_konto_id: konto_of_queue(routing_key).unwrap_or(konto),
            svar_pa_melding: header(names::SVAR_TIL).and_then(|text| text.parse().ok()),
            svar_pa_melding_type: header(names::SVAR_TIL_TYPE),
            dokumentlager_id: header(names::DOKUMENTLAGER_ID)
                .map(|text| mandatory(Some(text), names::DOKUMENTLAGER_ID))
                .transpose()
                .map_err(bad)?,
            ttl: properties
                .expiration()
                .as_ref()
                .and_then(|text| text.as_str().parse().ok())
                .map(Duration::from_millis),
            headere: table
                .inner()
                .iter()
                .filter_map(|(name, value)| {
                    let name = name.as_str().strip_prefix(names::EGENDEFINERT_PREFIX)?;
                    Some((name.to_owned(), text(value)?))
                })
                .collect(),
        })
    }
}

fn mandatory<T: FromStr>(value: Option<String>, name: &str) -> Result<T, String> {
    let value = value.ok_or_else(|| format!("header `{name}` is missing"))?;
    value.parse().map_err(|_| format!("header `{name}` is not a UUID"))
}

/// A header's value as text; `None` for what has no text.
fn text(value: &AMQPValue) -> Option<String> {
    match value {
        AMQPValue::LongString(text) => Some(String::from_utf8_lossy(text.as_bytes()).into_owned()),
        AMQPValue::ShortString(text) => Some(text.as_str().to_owned()),
        AMQPValue::Boolean(value) => Some(value.to_string()),
        AMQPValue::ShortShortInt(value) => Some(value.to_string()),
        AMQPValue::ShortShortUInt(value) => Some(value.to_string()),
        AMQPValue::ShortInt(value) => Some(value.to_string()),
        AMQPValue::ShortUInt(value) => Some(value.to_string()),
        AMQPValue::LongInt(value) => Some(value.to_string()),
        AMQPValue::LongUInt(value) => Some(value.to_string()),
        AMQPValue::LongLongInt(value) => Some(value.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use lapin::types::{FieldArray, ShortString};
    use proptest::prelude::*;

    use super::*;

    const MELDING: &str = "0f6d0ac9-6f0e-4b0c-a1c1-7f7f3e1f9a55";
    const AVSENDER: &str = "5c6ebc4e-5b3c-4cea-8c54-2e1f0f0aa0c1";
    const MOTTAKER: &str = "9a1a1d0c-6f7e-4a53-8a1c-6a2f8c5f3f10";

    fn konto() -> KontoId {
        "11111111-1111-4111-8111-111111111111".parse().unwrap()
    }

    fn properties(headers: &[(&str, &str)]) -> BasicProperties {
        let mut table = FieldTable::default();
        for (name, value) in headers {
            table.insert((*name).into(), AMQPValue::LongString((*value).into()));
        }
        BasicProperties::default().with_headers(table)
    }

    fn complete() -> Vec<(&'static str, &'static str)> {
        vec![("melding-id", MELDING), ("type", "no.ks.test.v1"), ("avsender-id", AVSENDER)]
    }

    fn with(headers: &[(&'static str, &'static str)]) -> BasicProperties {
        properties(&[complete(), headers.to_vec()].concat())
    }

    #[test]
    fn all_headers_are_read() {
        let properties = with(&[
            ("svar-til", MELDING),
            ("svar-til-type", "no.ks.forrige.v1"),
            ("dokumentlager-id", AVSENDER),
            ("egendefinert-header.klientKorrelasjonsId", "sak 17"),
            ("egendefinert-header.", "empty name"),
            ("x-delivery-count", "1"),
        ])
        .with_expiration("604800000".into());
        let headers = Headers::parse(&properties, &format!("fiksio.konto.{MOTTAKER}"), konto()).unwrap();
        assert_eq!(headers.melding_id.to_string(), MELDING);
        assert_eq!(headers.melding_type, "no.ks.test.v1");
        assert_eq!(headers.avsender_konto_id.to_string(), AVSENDER);
        assert_eq!(headers.mottaker_konto_id.to_string(), MOTTAKER);
        assert_eq!(headers.svar_pa_melding.unwrap().to_string(), MELDING);
        assert_eq!(headers.svar_pa_melding_type.as_deref(), Some("no.ks.forrige.v1"));
        assert_eq!(headers.dokumentlager_id.unwrap().to_string(), AVSENDER);
        assert_eq!(headers.ttl, Some(Duration::from_hours(7 * 24)));
        let own: Vec<_> =
            headers.headere.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(own, [("", "empty name"), ("klientKorrelasjonsId", "sak 17")]);
    }

    #[test]
    fn each_mandatory_header_is_missed_by_name() {
        for missing in ["melding-id", "type", "avsender-id"] {
            let headers: Vec<_> = complete().into_iter().filter(|(name, _)| *name != missing).collect();
            let error = Headers::parse(&properties(&headers), "", konto()).unwrap_err();
            assert_eq!(error.to_string(), format!("read a delivery: header `{missing}` is missing"));
        }
        let error = Headers::parse(&BasicProperties::default(), "", konto()).unwrap_err();
        assert!(matches!(error, Error::BadDelivery { melding: None, .. }));
    }

    #[test]
    fn an_id_that_is_none_is_refused_where_it_matters() {
        for (name, value) in [("melding-id", "x"), ("avsender-id", "x"), ("dokumentlager-id", "x")] {
            let error = Headers::parse(&with(&[(name, value)]), "", konto()).unwrap_err();
            assert_eq!(error.to_string(), format!("read a delivery: header `{name}` is not a UUID"));
        }
        let headers = Headers::parse(&with(&[("svar-til", "x")]), "", konto()).unwrap();
        assert_eq!(headers.svar_pa_melding, None);
    }

    #[test]
    fn an_odd_expiration_or_routing_key_does_no_harm() {
        let headers =
            Headers::parse(&with(&[]).with_expiration("soon".into()), "elsewhere", konto()).unwrap();
        assert_eq!((headers.ttl, headers.mottaker_konto_id), (None, konto()));
    }

    fn value() -> impl Strategy<Value = AMQPValue> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(AMQPValue::Boolean),
            any::<i64>().prop_map(AMQPValue::LongLongInt),
            any::<f64>().prop_map(AMQPValue::Double),
            any::<u64>().prop_map(AMQPValue::Timestamp),
            Just(AMQPValue::Void),
            proptest::collection::vec(any::<u8>(), 0..50)
                .prop_map(|bytes| AMQPValue::LongString(bytes.into())),
            Just(AMQPValue::LongString(MELDING.into())),
            proptest::collection::vec(any::<u8>(), 0..50)
                .prop_map(|bytes| AMQPValue::ByteArray(bytes.into())),
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            proptest::collection::vec(inner, 0..4)
                .prop_map(|values| AMQPValue::FieldArray(FieldArray::from(values)))
        })
    }

    fn name() -> impl Strategy<Value = String> {
        prop_oneof![
            proptest::sample::select(vec![
                "melding-id",
                "type",
                "avsender-id",
                "svar-til",
                "svar-til-type",
                "dokumentlager-id",
                "egendefinert-header.klientMeldingId",
                "egendefinert-header.",
            ])
            .prop_map(str::to_owned),
            "[\\PC]{0,20}",
        ]
    }

    proptest! {
        #[test]
        fn no_headers_make_the_parser_panic(
            headers in proptest::collection::btree_map(name(), value(), 0..12),
            expiration in proptest::option::of("[\\PC]{0,30}"),
            routing_key in "[\\PC]{0,60}",
        ) {
            let mut table = FieldTable::default();
            for (name, value) in headers {
                table.insert(ShortString::from(name), value);
            }
            let mut properties = BasicProperties::default().with_headers(table.clone());
            if let Some(expiration) = expiration {
                properties = properties.with_expiration(expiration.into());
            }
            if let Ok(headers) = Headers::parse(&properties, &routing_key, konto()) {
                prop_assert!(!headers.melding_type.is_empty());
                prop_assert!(headers.headere.len() <= table.inner().len());
            }
        }
    }
}
