//! The OpenAPI documents, made from the table of operations. `docs/openapi/` holds them; a test compares.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use utoipa::{PartialSchema as _, ToSchema as _};
use wire::error::ErrorMessage;

use crate::operation::{Access, Api, Operation, RequestBody, ResponseBody, SchemaRef};

/// One OpenAPI document.
pub struct Document {
    /// File name without ending.
    pub name: &'static str,
    /// The document as JSON, with a line end.
    pub json: String,
}

/// The documents of all APIs.
pub fn documents() -> Vec<Document> {
    crate::apis().iter().map(|api| Document { name: api.name, json: render(api) }).collect()
}

/// Schemas in which `null` may really stand; everywhere else an absent value is left out.
const NULLABLE: &[&str] = &["SendMetadata", "SendtMelding"];

type Schemas = BTreeMap<String, Value>;

fn render(api: &Api) -> String {
    let mut schemas = Schemas::new();
    add(&mut schemas, "ErrorMessage", &ErrorMessage::schema());
    let mut more = Vec::new();
    ErrorMessage::schemas(&mut more);
    for (name, schema) in &more {
        add(&mut schemas, name, schema);
    }

    let mut paths: BTreeMap<&str, BTreeMap<String, Value>> = BTreeMap::new();
    for operation in &api.operations {
        let method = operation.method.as_str().to_ascii_lowercase();
        paths.entry(operation.path).or_default().insert(method, describe(operation, &mut schemas));
    }
    let document = json!({
        "openapi": "3.1.0",
        "info": { "title": api.title, "version": "v1" },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "maskinporten": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "Access token fra Maskinporten med scope ks:fiks.",
                },
                "integrasjonId": { "type": "apiKey", "in": "header", "name": wire::headers::INTEGRASJON_ID },
                "integrasjonPassord": { "type": "apiKey", "in": "header", "name": wire::headers::INTEGRASJON_PASSORD },
            },
        },
    });
    let mut json = serde_json::to_string_pretty(&document).expect("the document is plain JSON");
    json.push('\n');
    json
}

fn describe(operation: &Operation, schemas: &mut Schemas) -> Value {
    let mut described = json!({
        "operationId": operation.id,
        "summary": operation.summary,
        "description": match operation.access {
            Access::Offentlig => "Åpen for alle; krever ingen innlogging.",
            Access::Integrasjon => "For alle innloggede integrasjoner.",
            Access::Eier => "For integrasjoner i systemet som eier det kallet gjelder.",
            Access::Konfigurer => "For integrasjoner med privilegiet FIKS.KONFIGURER på systemet.",
        },
        "parameters": parameters(operation.path),
        "responses": {
            operation.success.as_str(): success(operation, schemas),
            "default": {
                "description": "Noe gikk galt.",
                "content": { "application/json": { "schema": reference("ErrorMessage") } },
            },
        },
        "security": match operation.access {
            Access::Offentlig => json!([]),
            _ => json!([{ "maskinporten": [], "integrasjonId": [], "integrasjonPassord": [] }]),
        },
    });
    if let Some(body) = &operation.request {
        described["requestBody"] = request(body, schemas);
    }
    described
}

fn request(body: &RequestBody, schemas: &mut Schemas) -> Value {
    let content = match body {
        RequestBody::Json { schema, example } => {
            json!({ "application/json": { "schema": refer(schema, schemas), "example": example() } })
        }
        RequestBody::Melding { schema, example } => json!({
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "description": "Delene må komme i denne rekkefølgen.",
                    "required": ["metadata"],
                    "properties": {
                        "metadata": refer(schema, schemas),
                        "data": {
                            "type": "string",
                            "format": "binary",
                            "description": "Kryptert innhold (ASiC-E i CMS). Utelates når meldingen ikke har innhold.",
                        },
                    },
                },
                "example": { "metadata": example() },
                "encoding": { "metadata": { "contentType": "application/json" } },
            },
        }),
    };
    json!({ "required": true, "content": content })
}

fn success(operation: &Operation, schemas: &mut Schemas) -> Value {
    let description = operation.success.canonical_reason().unwrap_or_default();
    let content = match &operation.response {
        None => return json!({ "description": description }),
        Some(ResponseBody::Json(schema)) => {
            json!({ "application/json": { "schema": refer(schema, schemas) } })
        }
        Some(ResponseBody::List(schema)) => {
            json!({ "application/json": { "schema": { "type": "array", "items": refer(schema, schemas) } } })
        }
        Some(ResponseBody::Bytes) => {
            json!({ "application/octet-stream": { "schema": { "type": "string", "format": "binary" } } })
        }
    };
    json!({ "description": description, "content": content })
}

/// The parameters in a path. All are UUIDs but names of a Protokoll.
fn parameters(path: &str) -> Vec<Value> {
    path.split('/')
        .filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
        .map(|name| {
            let schema = if name.starts_with("protokoll") {
                json!({ "type": "string" })
            } else {
                json!({ "type": "string", "format": "uuid" })
            };
            json!({ "name": name, "in": "path", "required": true, "schema": schema })
        })
        .collect()
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// Refers to a schema and takes it and all that it refers to into the document.
fn refer(schema: &SchemaRef, schemas: &mut Schemas) -> Value {
    for (name, schema) in &schema.schemas {
        add(schemas, name, schema);
    }
    reference(&schema.name)
}

fn add(schemas: &mut Schemas, name: &str, schema: &impl serde::Serialize) {
    let mut schema = serde_json::to_value(schema).expect("a schema is plain JSON");
    if !NULLABLE.contains(&name) {
        forbid_null(&mut schema);
    }
    schemas.insert(name.to_owned(), schema);
}

/// Takes `null` out of every type: in JSON Schema's words, an optional value is one that may be left out.
fn forbid_null(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            if let Some(Value::Array(types)) = object.get_mut("type") {
                types.retain(|kind| kind != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    object.insert("type".to_owned(), only);
                }
            }
            if let Some(Value::Array(choices)) = object.get_mut("oneOf") {
                choices.retain(|choice| choice.get("type").is_none_or(|kind| kind != "null"));
                if let [only] = choices.as_slice() {
                    *schema = only.clone();
                    return forbid_null(schema);
                }
            }
            object.values_mut().for_each(forbid_null);
        }
        Value::Array(items) => items.iter_mut().for_each(forbid_null),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// `UPDATE_OPENAPI=1 cargo test -p knutepunkt-api` writes the documents anew.
    #[test]
    fn documents_in_docs_are_those_of_the_code() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi");
        let documents = documents();
        for Document { name, json } in &documents {
            let file = folder.join(format!("{name}.json"));
            if std::env::var_os("UPDATE_OPENAPI").is_some() {
                std::fs::create_dir_all(&folder).unwrap();
                std::fs::write(&file, json).unwrap();
            }
            let committed = std::fs::read_to_string(&file).unwrap_or_default();
            assert!(
                committed == *json,
                "docs/openapi/{name}.json is not what the code says; set UPDATE_OPENAPI=1 to write it"
            );
        }
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let known =
                documents.iter().any(|document| path.file_stem().is_some_and(|stem| stem == document.name));
            assert!(known, "{} belongs to no API", path.display());
        }
    }

    #[test]
    fn only_the_send_api_speaks_of_null() {
        for Document { name, json } in documents() {
            assert_eq!(json.contains("\"null\""), name == "send", "{name}");
        }
    }

    #[test]
    fn operation_ids_and_summaries_are_there_and_paths_tell_operations_apart() {
        for api in crate::apis() {
            let mut seen = std::collections::BTreeSet::new();
            for operation in &api.operations {
                assert!(seen.insert(operation.id), "{} stands twice in {}", operation.id, api.name);
                assert!(!operation.summary.is_empty(), "{}", operation.id);
            }
        }
    }
}
