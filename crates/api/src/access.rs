//! Every operation is called without a token, with too few rights and with enough.

use axum::body::Body;
use http::{Request, StatusCode};
use serde_json::Value;

use crate::operation::{Access, Operation, RequestBody};
use crate::testing::{Answer, OPPRETT, Party, World, call, certificate, form};

/// What the paths and bodies of the table are filled with: all that belongs to `owner`, whom `other` has dealt with.
struct Subject<'a> {
    owner: &'a Party,
    other: &'a Party,
    dokument: String,
}

impl Subject<'_> {
    fn path(&self, operation: &Operation) -> String {
        let fill = |segment: &str| match segment.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            None => segment.to_owned(),
            Some("fiksOrgId") => self.owner.org.to_string(),
            Some("systemId") => self.owner.system.to_string(),
            Some("kontoId") => self.owner.konto.to_string(),
            Some("eksternSystemId") => self.other.system.to_string(),
            Some("eksternKonto" | "eksternKontoId") => self.other.konto.to_string(),
            Some("dokumentId") => self.dokument.clone(),
            Some("protokollnavn") => "no.ks.fiks.arkiv".to_owned(),
            Some("protokollversjon") => "v1".to_owned(),
            Some(other) => panic!("say here what to fill {other} of {} with", operation.path),
        };
        operation.path.split('/').map(fill).collect::<Vec<_>>().join("/")
    }

    async fn call(&self, world: &World, operation: &Operation, log_in: Option<&Party>) -> Answer {
        let path = self.path(operation);
        let request = match log_in {
            Some(party) => party.request(operation.method.clone(), path),
            None => Request::builder().method(operation.method.clone()).uri(path),
        };
        let request = match &operation.request {
            None => request.body(Body::empty()),
            Some(RequestBody::Json { example, .. }) => {
                let mut body = example();
                for value in body.as_object_mut().unwrap().values_mut() {
                    if value.as_str().is_some_and(|text| text.starts_with("-----BEGIN CERTIFICATE-----")) {
                        *value = Value::from(certificate());
                    }
                }
                request.header("Content-Type", "application/json").body(Body::from(body.to_string()))
            }
            Some(RequestBody::Melding { .. }) => {
                let mut metadata = world.metadata(OPPRETT);
                metadata["avsenderKontoId"] = Value::from(self.owner.konto.to_string());
                metadata["mottakerKontoId"] = Value::from(self.other.konto.to_string());
                let boundary = crate::testing::BOUNDARY;
                request
                    .header("Content-Type", format!("multipart/form-data; boundary={boundary}"))
                    .body(Body::from(form(&metadata, Some(b"payload"))))
            }
        };
        call(&world.router, request.unwrap()).await
    }
}

async fn subject(world: &World) -> Subject<'_> {
    let sent = world
        .send(&world.fag, form(&world.metadata(OPPRETT), Some(&[0; 5000])))
        .await
        .ok(StatusCode::ACCEPTED);
    let dokument = sent["dokumentlagerId"].as_str().unwrap().to_owned();
    Subject { owner: &world.arkiv, other: &world.fag, dokument }
}

fn operations() -> Vec<Operation> {
    crate::apis().into_iter().flat_map(|api| api.operations).collect()
}

#[tokio::test]
async fn every_operation_refuses_who_has_no_token() {
    let world = World::new().await;
    let subject = subject(&world).await;
    for operation in operations() {
        let answer = subject.call(&world, &operation, None).await;
        if operation.access == Access::Offentlig {
            assert_ne!(answer.status, StatusCode::UNAUTHORIZED, "{}", operation.id);
            continue;
        }
        let message = answer.error(StatusCode::UNAUTHORIZED, "UGYLDIG_TOKEN");
        assert_eq!(message, "Klarte ikke å validere access_token", "{}", operation.id);
        assert_eq!(answer.headers["www-authenticate"], "Bearer");
    }
}

#[tokio::test]
async fn every_operation_refuses_who_has_too_few_rights() {
    let world = World::new().await;
    let subject = subject(&world).await;
    for operation in operations() {
        match operation.access {
            Access::Offentlig => {
                // There is nothing to have rights to.
                let answer = subject.call(&world, &operation, Some(&world.fremmed)).await;
                assert!(![401, 403].contains(&answer.status.as_u16()), "{}", operation.id);
            }
            Access::Integrasjon => {
                // All that can be lacking is a log-in that fits.
                let wrong = Party { passord: "wrong".to_owned(), ..world.arkiv.clone() };
                let answer = subject.call(&world, &operation, Some(&wrong)).await;
                answer.error(StatusCode::UNAUTHORIZED, "UGYLDIG_INTEGRASJON");
            }
            Access::Eier => {
                let answer = subject.call(&world, &operation, Some(&world.fremmed)).await;
                let code = answer.json()["errorCode"].as_str().unwrap().to_owned();
                assert!(code.starts_with("FREMMED"), "{}: {code}", operation.id);
                answer.error(StatusCode::FORBIDDEN, &code);
            }
            Access::Konfigurer => {
                let answer = subject.call(&world, &operation, Some(&world.fremmed)).await;
                let message = answer.error(StatusCode::FORBIDDEN, "MANGLER_PRIVILEGIUM");
                let expected =
                    format!("har ikke privilegiet FIKS.KONFIGURER på ressurs {}", world.arkiv.system);
                assert!(message.contains(&expected), "{}: {message}", operation.id);
            }
        }
    }
}

#[tokio::test]
async fn integrasjon_that_may_not_configure_its_own_system_is_refused() {
    let world = World::new().await;
    let subject = subject(&world).await;
    let operator = app::Caller::Operator;
    world
        .app
        .update_integrasjon_privilegium(&operator, world.arkiv.org, world.arkiv.system, false, None)
        .await
        .unwrap();
    for operation in operations().into_iter().filter(|operation| operation.access == Access::Konfigurer) {
        let answer = subject.call(&world, &operation, Some(&world.arkiv)).await;
        answer.error(StatusCode::FORBIDDEN, "MANGLER_PRIVILEGIUM");
    }
}

/// Without this the tests above would hold for a router that refuses everybody.
#[tokio::test]
async fn every_operation_lets_in_who_has_the_rights() {
    let world = World::new().await;
    for operation in operations() {
        // What one operation removes must be there for the next.
        let _ = world.app.grant_tilgang(&app::Caller::Operator, world.arkiv.sti(), world.fag.system).await;
        let subject = subject(&world).await;
        if operation.id == "deleteKonto" {
            continue;
        }
        let answer = subject.call(&world, &operation, Some(&world.arkiv)).await;
        let refused = [401, 403, 405, 500].contains(&answer.status.as_u16());
        assert!(!refused, "{}: {} {:?}", operation.id, answer.status, answer.body);
        if answer.status.is_success() {
            assert_eq!(answer.status, operation.success, "{}", operation.id);
        }
    }
}
