//! The table of operations: what the router, the OpenAPI documents and the tests of access are made from.

use app::App;
use axum::handler::Handler;
use axum::routing::{MethodFilter, MethodRouter, on};
use http::{Method, StatusCode};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;

/// The operations of one API.
pub(crate) struct Api {
    /// Names its OpenAPI document: `docs/openapi/<name>.json`.
    pub(crate) name: &'static str,
    /// For readers of the document.
    pub(crate) title: &'static str,
    /// One file each.
    pub(crate) operations: Vec<Operation>,
}

/// One operation.
pub(crate) struct Operation {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) id: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) access: Access,
    pub(crate) request: Option<RequestBody>,
    pub(crate) success: StatusCode,
    pub(crate) response: Option<ResponseBody>,
    pub(crate) route: MethodRouter<App>,
}

/// Who may call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Anybody; nobody has to log in.
    Offentlig,
    /// Every integrasjon that has logged in.
    Integrasjon,
    /// An integrasjon that has something to do with what the path or the body names.
    Eier,
    /// An integrasjon of the System that may configure it (FIKS.KONFIGURER).
    Konfigurer,
}

/// What a request carries.
pub(crate) enum RequestBody {
    /// JSON, with an example that works.
    Json { schema: SchemaRef, example: fn() -> Value },
    /// A form with `metadata` and `data`.
    Melding { schema: SchemaRef, example: fn() -> Value },
}

/// What a successful answer carries.
pub(crate) enum ResponseBody {
    /// One object.
    Json(SchemaRef),
    /// An array of them.
    List(SchemaRef),
    /// Bytes as they are.
    Bytes,
}

/// A schema by name, with all that it refers to.
pub(crate) struct SchemaRef {
    pub(crate) name: String,
    pub(crate) schemas: Vec<(String, RefOr<Schema>)>,
}

impl SchemaRef {
    fn of<T: ToSchema>() -> Self {
        let name = T::name().into_owned();
        let mut schemas = vec![(name.clone(), T::schema())];
        T::schemas(&mut schemas);
        Self { name, schemas }
    }
}

impl Operation {
    /// An operation that answers 200 without body until told otherwise.
    pub(crate) fn new<H, T>(
        method: Method,
        path: &'static str,
        id: &'static str,
        access: Access,
        handler: H,
    ) -> Self
    where
        H: Handler<T, App>,
        T: 'static,
    {
        let filter = MethodFilter::try_from(method.clone()).expect("only standard methods are used");
        Self {
            method,
            path,
            id,
            summary: "",
            access,
            request: None,
            success: StatusCode::OK,
            response: None,
            route: on(filter, handler),
        }
    }

    /// What it does, in one sentence for the document.
    pub(crate) fn summary(mut self, summary: &'static str) -> Self {
        self.summary = summary;
        self
    }

    /// It takes this body.
    pub(crate) fn request<T: ToSchema>(mut self, example: fn() -> Value) -> Self {
        self.request = Some(RequestBody::Json { schema: SchemaRef::of::<T>(), example });
        self
    }

    /// It takes a form whose part `metadata` is this body.
    pub(crate) fn melding<T: ToSchema>(mut self, example: fn() -> Value) -> Self {
        self.request = Some(RequestBody::Melding { schema: SchemaRef::of::<T>(), example });
        self
    }

    /// It answers with this status, exactly: the generated clients take every other one for an error.
    pub(crate) fn success(mut self, success: StatusCode) -> Self {
        self.success = success;
        self
    }

    /// It answers with this body.
    pub(crate) fn response<T: ToSchema>(mut self) -> Self {
        self.response = Some(ResponseBody::Json(SchemaRef::of::<T>()));
        self
    }

    /// It answers with an array of this body.
    pub(crate) fn response_list<T: ToSchema>(mut self) -> Self {
        self.response = Some(ResponseBody::List(SchemaRef::of::<T>()));
        self
    }

    /// It answers with bytes.
    pub(crate) fn response_bytes(mut self) -> Self {
        self.response = Some(ResponseBody::Bytes);
        self
    }
}
