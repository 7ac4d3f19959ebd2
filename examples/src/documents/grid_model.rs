//! A low-voltage grid as a CIM equipment model (IEC 61970-301, CGMES 3) in RDF/XML: substations,
//! each with a busbar and feeders of fuse, cable and load, one after the other on cables, the first
//! of them at the grid above.
//!
//! Nothing is kept while it is written: every name is computed from what it is of, so that a model
//! of any size takes the same memory.

use super::plan::GridModel;
use super::quantity::{Decimal, second};
use super::xml::Xml;
use super::{Chance, uuid};
use gridpass_identity::time::UnixMillis;
use std::io::{self, Write};

const CIM: &str = "http://iec.ch/TC57/CIM100#";
const EUROPEAN: &str = "http://iec.ch/TC57/CIM100-European#";

/// A model, and what stands in its header.
#[derive(Clone, Debug)]
pub struct Model {
    /// Its sizes.
    pub plan: GridModel,
    /// The seed of its names and amounts.
    pub seed: u64,
    /// What tells its names and amounts from those of other models of that seed.
    pub label: String,
    /// When it is made.
    pub time: UnixMillis,
    /// The day that it describes.
    pub day: UnixMillis,
    /// Who makes it: the Internet domain.
    pub authority: String,
}

/// Writes objects: each with its name, and what all objects have.
struct Objects<'m, 'o> {
    model: &'m Model,
    xml: Xml<'o>,
    chance: Chance,
}

impl Model {
    fn id(&self, label: &str) -> String {
        uuid(self.seed, &format!("{}/{label}", self.label))
    }

    /// Writes it.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut xml = Xml::new(out)?;
        let namespaces = [
            ("xmlns:rdf", "http://www.w3.org/1999/02/22-rdf-syntax-ns#"),
            ("xmlns:cim", CIM),
            ("xmlns:md", "http://iec.ch/TC57/61970-552/ModelDescription/1#"),
            ("xmlns:eu", EUROPEAN),
        ];
        xml.begin("rdf:RDF", &namespaces)?;
        self.header(&mut xml)?;
        let chance = Chance::new(self.seed, &format!("{}/amounts", self.label));
        let mut objects = Objects { model: self, xml, chance };
        objects.common()?;
        let feeders = self.plan.feeders.clamp(1, 100);
        for number in 1..=self.plan.substations.clamp(1, 1_000_000) {
            objects.substation(number, feeders)?;
        }
        objects.xml.end()
    }

    fn header(&self, xml: &mut Xml<'_>) -> io::Result<()> {
        let about = format!("urn:uuid:{}", self.id("header"));
        xml.begin("md:FullModel", &[("rdf:about", &about)])?;
        xml.text("md:Model.created", &second(self.time))?;
        xml.text("md:Model.scenarioTime", &second(self.day))?;
        xml.text("md:Model.description", "A low-voltage grid, made up")?;
        xml.text("md:Model.modelingAuthoritySet", &format!("https://{}/grid", self.authority))?;
        xml.text("md:Model.profile", "http://iec.ch/TC57/ns/CIM/CoreEquipment-EU/3.0")?;
        xml.text("md:Model.profile", "http://iec.ch/TC57/ns/CIM/CoreEquipment/4.0")?;
        xml.text("md:Model.version", "1")?;
        let depends = format!("urn:uuid:{}", self.id("boundary"));
        xml.empty("md:Model.DependentOn", &[("rdf:resource", &depends)])?;
        xml.end()
    }
}

impl Objects<'_, '_> {
    fn begin(&mut self, class: &str, label: &str, name: &str) -> io::Result<()> {
        let id = self.model.id(label);
        self.xml.begin(&format!("cim:{class}"), &[("rdf:ID", &format!("_{id}"))])?;
        self.xml.text("cim:IdentifiedObject.mRID", &id)?;
        self.xml.text("cim:IdentifiedObject.name", name)
    }

    fn described(&mut self, class: &str, label: &str, name: &str) -> io::Result<()> {
        self.begin(class, label, name)?;
        self.value("IdentifiedObject.description", &format!("{class} {name}"))
    }

    fn equipment(&mut self, class: &str, label: &str, name: &str) -> io::Result<()> {
        self.described(class, label, name)?;
        self.value("Equipment.aggregate", "false")
    }

    fn value(&mut self, property: &str, value: &str) -> io::Result<()> {
        self.xml.text(&format!("cim:{property}"), value)
    }

    fn amount(&mut self, property: &str, mean: i64, places: u32) -> io::Result<()> {
        let units = self.chance.about(mean, 40);
        self.value(property, &Decimal { units, places }.to_string())
    }

    fn reference(&mut self, property: &str, label: &str) -> io::Result<()> {
        let id = format!("#_{}", self.model.id(label));
        self.xml.empty(&format!("cim:{property}"), &[("rdf:resource", &id)])
    }

    fn end(&mut self) -> io::Result<()> {
        self.xml.end()
    }

    fn short(&mut self, name: &str) -> io::Result<()> {
        self.xml.text("eu:IdentifiedObject.shortName", name)
    }

    /// What all substations share.
    fn common(&mut self) -> io::Result<()> {
        self.described("GeographicalRegion", "country", "Country")?;
        self.short("EX")?;
        self.end()?;
        for region in ["north", "south"] {
            self.described("SubGeographicalRegion", region, region)?;
            self.short(region)?;
            self.reference("SubGeographicalRegion.Region", "country")?;
            self.end()?;
        }
        self.described("BaseVoltage", "400V", "AC-400V")?;
        self.value("BaseVoltage.nominalVoltage", "0.4")?;
        self.short("04")?;
        self.end()?;
        self.described("LoadArea", "load-area", "Load area")?;
        self.end()?;
        self.described("SubLoadArea", "sub-load-area", "Part of the load area")?;
        self.reference("SubLoadArea.LoadArea", "load-area")?;
        self.end()?;
        self.described("ConformLoadGroup", "load-group", "Households")?;
        self.reference("LoadGroup.SubLoadArea", "sub-load-area")?;
        self.end()?;
        self.described("OperationalLimitType", "patl", "PATL")?;
        self.value("OperationalLimitType.isInfiniteDuration", "true")?;
        let direction = format!("{CIM}OperationalLimitDirectionKind.absoluteValue");
        self.xml.empty("cim:OperationalLimitType.direction", &[("rdf:resource", &direction)])?;
        let kind = format!("{EUROPEAN}LimitKind.patl");
        self.xml.empty("eu:OperationalLimitType.kind", &[("rdf:resource", &kind)])?;
        self.end()?;
        // The grid above, seen from the first substation.
        self.described("EquivalentInjection", "injection", "Grid above")?;
        self.value("EquivalentInjection.maxP", "0.650")?;
        self.value("EquivalentInjection.maxQ", "0.073")?;
        self.value("EquivalentInjection.minP", "0.013")?;
        self.value("EquivalentInjection.minQ", "0.001")?;
        self.value("EquivalentInjection.regulationCapability", "false")?;
        self.reference("Equipment.EquipmentContainer", "s1/level")?;
        self.end()?;
        self.terminal("injection", 1, "s1/supply-node")
    }

    fn node(&mut self, label: &str, name: &str, container: &str) -> io::Result<()> {
        self.described("ConnectivityNode", label, name)?;
        self.reference("ConnectivityNode.ConnectivityNodeContainer", container)?;
        self.end()
    }

    /// The end of a piece of equipment, at a node.
    fn terminal(&mut self, of: &str, number: u32, node: &str) -> io::Result<()> {
        let number = number.to_string();
        self.described("Terminal", &format!("{of}/t{number}"), &format!("{of} T{number}"))?;
        self.value("ACDCTerminal.sequenceNumber", &number)?;
        let phases = format!("{CIM}PhaseCode.ABCN");
        self.xml.empty("cim:Terminal.phases", &[("rdf:resource", &phases)])?;
        self.reference("Terminal.ConductingEquipment", of)?;
        self.reference("Terminal.ConnectivityNode", node)?;
        self.end()
    }

    fn switch(&mut self, class: &str, label: &str, bay: &str) -> io::Result<()> {
        self.equipment(class, label, label)?;
        self.value("Equipment.normallyInService", "true")?;
        self.value("Switch.normalOpen", "false")?;
        self.value("Switch.ratedCurrent", "400")?;
        self.value("Switch.retained", "false")?;
        self.reference("Equipment.EquipmentContainer", bay)?;
        self.end()
    }

    fn bay(&mut self, label: &str, level: &str) -> io::Result<()> {
        self.described("Bay", label, label)?;
        self.reference("Bay.VoltageLevel", level)?;
        self.end()
    }

    fn substation(&mut self, number: u32, feeders: u32) -> io::Result<()> {
        let s = format!("s{number}");
        let level = format!("{s}/level");
        self.described("Substation", &s, &s)?;
        let region = if number % 2 == 1 { "north" } else { "south" };
        self.reference("Substation.Region", region)?;
        self.end()?;
        self.described("VoltageLevel", &level, &level)?;
        self.reference("VoltageLevel.BaseVoltage", "400V")?;
        self.reference("VoltageLevel.Substation", &s)?;
        self.end()?;

        let (busbar, rail) = (format!("{s}/busbar"), format!("{s}/rail"));
        self.node(&rail, &rail, &level)?;
        self.equipment("BusbarSection", &busbar, &busbar)?;
        self.value("Equipment.normallyInService", "true")?;
        self.reference("Equipment.EquipmentContainer", &level)?;
        self.end()?;
        self.terminal(&busbar, 1, &rail)?;

        let (bay, breaker) = (format!("{s}/supply"), format!("{s}/breaker"));
        let supply = format!("{s}/supply-node");
        self.bay(&bay, &level)?;
        self.node(&supply, &supply, &bay)?;
        self.switch("Breaker", &breaker, &bay)?;
        self.terminal(&breaker, 1, &supply)?;
        self.terminal(&breaker, 2, &rail)?;
        if let Some(before) = number.checked_sub(1).filter(|before| *before > 0) {
            let line = format!("{s}/line");
            self.begin("Line", &line, &line)?;
            self.end()?;
            let cable = format!("{s}/cable");
            self.cable(&cable, &line, (&format!("s{before}/supply-node"), &supply))?;
        }
        for feeder in 1..=feeders {
            self.feeder(&format!("{s}/f{feeder}"), &level, &rail)?;
        }
        Ok(())
    }

    /// A cable of a line, from node to node.
    fn cable(&mut self, cable: &str, line: &str, (from, to): (&str, &str)) -> io::Result<()> {
        self.equipment("ACLineSegment", cable, cable)?;
        self.value("Equipment.normallyInService", "true")?;
        self.amount("Conductor.length", 50, 0)?;
        self.value("ACLineSegment.bch", "0")?;
        self.value("ACLineSegment.gch", "0")?;
        self.amount("ACLineSegment.r", 16_000, 6)?;
        self.amount("ACLineSegment.x", 3_770, 6)?;
        // Stands in another model.
        self.reference("PowerSystemResource.AssetDatasheet", "datasheet")?;
        self.reference("Equipment.EquipmentContainer", line)?;
        self.reference("ConductingEquipment.BaseVoltage", "400V")?;
        self.end()?;
        self.terminal(cable, 1, from)?;
        self.terminal(cable, 2, to)
    }

    /// A fuse, a cable and a load.
    fn feeder(&mut self, f: &str, level: &str, rail: &str) -> io::Result<()> {
        let of = |part: &str| format!("{f}/{part}");
        let (bay, fuse, begin, end) = (of("bay"), of("fuse"), of("begin"), of("end"));
        self.bay(&bay, level)?;
        self.switch("Fuse", &fuse, &bay)?;
        self.node(&begin, &begin, &bay)?;
        self.terminal(&fuse, 1, rail)?;
        self.terminal(&fuse, 2, &begin)?;

        let (line, cable, limits) = (of("line"), of("cable"), of("limits"));
        self.begin("Line", &line, &line)?;
        self.end()?;
        self.node(&end, &end, &line)?;
        self.cable(&cable, &line, (&begin, &end))?;
        self.described("OperationalLimitSet", &limits, &limits)?;
        self.reference("OperationalLimitSet.Terminal", &format!("{cable}/t1"))?;
        self.end()?;
        self.begin("CurrentLimit", &of("limit"), &of("limit"))?;
        self.amount("CurrentLimit.normalValue", 400, 0)?;
        self.reference("OperationalLimit.OperationalLimitSet", &limits)?;
        self.reference("OperationalLimit.OperationalLimitType", "patl")?;
        self.end()?;

        let load = of("load");
        self.equipment("ConformLoad", &load, &load)?;
        self.amount("EnergyConsumer.pfixed", 12, 3)?;
        self.value("EnergyConsumer.pfixedPct", "0")?;
        self.amount("EnergyConsumer.qfixed", 2, 3)?;
        self.value("EnergyConsumer.qfixedPct", "0")?;
        self.reference("Equipment.EquipmentContainer", level)?;
        self.reference("ConformLoad.LoadGroup", "load-group")?;
        self.end()?;
        self.terminal(&load, 1, &end)
    }
}
