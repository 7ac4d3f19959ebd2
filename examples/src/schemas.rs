//! The schemas that documents are held to, written for these examples and part of this crate: JSON
//! Schema 2020-12, XML Schema 1.0, the header of CIM models. Topics name them; the node and the
//! tests check payloads against them.

use gridpass_credentials::content_id::{ContentId, ContentIdError};
use gridpass_policy::payload::{PayloadSchema, SchemaError, xsd_manifest};
use serde_json::Value;
use std::collections::BTreeMap;

const JSON: &str = "application/json";
const XML: &str = "application/xml";

/// What a schema is made of.
enum Source {
    /// A JSON document, as it stands.
    Document(&'static str),
    /// One file of XML Schema, of which these roots are meant.
    Xsd(&'static str, &'static str, &'static [&'static str]),
}

/// A schema by name: its media type and what it is made of.
struct Published {
    name: &'static str,
    media_type: &'static str,
    source: Source,
}

const FLEX: &str = include_str!("../schemas/flex.xsd");

const fn json(name: &'static str, text: &'static str) -> Published {
    Published { name, media_type: JSON, source: Source::Document(text) }
}

const fn flex(name: &'static str, roots: &'static [&'static str]) -> Published {
    Published { name, media_type: XML, source: Source::Xsd("flex.xsd", FLEX, roots) }
}

const PUBLISHED: &[Published] = &[
    flex("d-prognosis", &["D-Prognosis"]),
    flex("flex-reservation-update", &["FlexReservationUpdate"]),
    flex("flex-request", &["FlexRequest"]),
    flex("flex-offer", &["FlexOffer"]),
    flex("flex-order", &["FlexOrder"]),
    flex("flex-settlement", &["FlexSettlement"]),
    flex("metering", &["Metering"]),
    flex(
        "flex-response",
        &[
            "D-PrognosisResponse",
            "FlexReservationUpdateResponse",
            "FlexRequestResponse",
            "FlexOfferResponse",
            "FlexOrderResponse",
            "FlexSettlementResponse",
            "MeteringResponse",
        ],
    ),
    Published {
        name: "reserve-bid",
        media_type: XML,
        source: Source::Xsd(
            "reserve-bid.xsd",
            include_str!("../schemas/reserve-bid.xsd"),
            &["ReserveBid_MarketDocument"],
        ),
    },
    Published {
        name: "activation",
        media_type: XML,
        source: Source::Xsd(
            "activation.xsd",
            include_str!("../schemas/activation.xsd"),
            &["Activation_MarketDocument"],
        ),
    },
    json(
        "prequalification-request",
        include_str!("../schemas/prequalification-request.schema.json"),
    ),
    json("prequalification-report", include_str!("../schemas/prequalification-report.schema.json")),
    json("flexibility-needs", include_str!("../schemas/flexibility-needs.schema.json")),
    json("operating-limits", include_str!("../schemas/operating-limits.schema.json")),
    json("market-result", include_str!("../schemas/market-result.schema.json")),
    json("delivery-report", include_str!("../schemas/delivery-report.schema.json")),
    json("interval-readings", include_str!("../schemas/interval-readings.schema.json")),
    json("file-reference", include_str!("../../spec/schemas/file.v1.json")),
    Published {
        name: "grid-model",
        media_type: "application/rdf+xml",
        source: Source::Document(include_str!("../schemas/grid-model.cim.json")),
    },
];

/// A schema with everything that it is pinned with.
#[derive(Clone, Debug)]
pub struct Schema {
    /// Its name in scenarios.
    pub name: &'static str,
    /// The media type of what it describes.
    pub media_type: &'static str,
    /// Its CID.
    pub id: ContentId,
    /// Its canonical bytes.
    pub document: Vec<u8>,
    /// The files that it names, by name: of an XML Schema.
    pub files: BTreeMap<String, Vec<u8>>,
    /// The roots that it allows: of an XML Schema.
    pub roots: Vec<String>,
}

/// The names of all schemas.
pub fn names() -> impl Iterator<Item = &'static str> {
    PUBLISHED.iter().map(|p| p.name)
}

/// The schema of a name.
///
/// # Errors
/// [`SchemaError`]; of those that are part of this crate none, which a test shows.
pub fn find(name: &str) -> Option<Result<Schema, SchemaError>> {
    PUBLISHED.iter().find(|p| p.name == name).map(read)
}

fn read(published: &Published) -> Result<Schema, SchemaError> {
    let mut files = BTreeMap::new();
    let mut allowed = Vec::new();
    let (id, document) = match published.source {
        Source::Document(text) => {
            let malformed = |e: serde_json::Error| SchemaError::Malformed(e.to_string());
            let value: Value = serde_json::from_str(text).map_err(malformed)?;
            ContentId::of_json(&value)?
        }
        Source::Xsd(main, text, roots) => {
            files.insert(main.to_owned(), text.as_bytes().to_vec());
            allowed = roots.iter().map(|r| (*r).to_owned()).collect();
            xsd_manifest(main, &allowed, &files)?
        }
    };
    Ok(Schema {
        name: published.name,
        media_type: published.media_type,
        id,
        document,
        files,
        roots: allowed,
    })
}

impl Schema {
    /// The documents that it is made of, by name, itself among them: what a node is given.
    ///
    /// # Errors
    /// [`ContentIdError`]; none that can occur.
    pub fn documents(&self) -> Result<BTreeMap<ContentId, Vec<u8>>, ContentIdError> {
        let files = self.files.values().map(|b| Ok((ContentId::of_bytes(b)?, b.clone())));
        let own = std::iter::once(Ok((self.id.clone(), self.document.clone())));
        own.chain(files).collect()
    }

    /// Ready to validate.
    ///
    /// # Errors
    /// [`SchemaError`]; none that can occur.
    pub fn compile(&self) -> Result<PayloadSchema, SchemaError> {
        let documents = self.documents()?;
        PayloadSchema::compile(&self.id, &|id| documents.get(id).cloned())
    }
}
