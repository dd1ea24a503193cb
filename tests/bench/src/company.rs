//! The company that is loaded: the same records on every run, in the shape that large companies have: some customers with much.

use cardine_model::{Decimal, Value};
use chrono::{DateTime, Days, NaiveDate, Utc};
use uuid::Uuid;

/// Of each record: the values of these fields, in this order. Behind a colon stands the module of a reference that could lead to
/// several.
pub type Fields = &'static [&'static str];

/// How many own the records.
pub const OWNERS: u32 = 40;
/// The first of them work under one manager.
pub const TEAM: u32 = 10;

/// Every so many organizations there is a customer with whom much goes on.
const CUSTOMER_EVERY: u32 = 20;
/// Contacts of each such customer, and opportunities of each of those contacts: more than the nested question's page.
const CUSTOMER_WIDTH: u32 = 12;
/// Coprime to the numbers of records: related records do not stand beside each other, as they don't where people enter them.
const SCATTER: u64 = 15_485_863;

const INDUSTRIES: [&str; 8] =
    ["BANKING", "CHEMICALS", "EDUCATION", "ENERGY", "HEALTHCARE", "MANUFACTURING", "RETAIL", "TECHNOLOGY"];
const OTHER_TYPES: [&str; 4] = ["PARTNER", "PROSPECT", "RESELLER", "OTHER"];
/// What opportunities are listed by.
pub const STAGES: [&str; 8] = [
    "PROSPECTING",
    "QUALIFICATION",
    "NEEDS_ANALYSIS",
    "VALUE_PROPOSITION",
    "PROPOSAL_PRICE_QUOTE",
    "NEGOTIATION_REVIEW",
    "CLOSED_WON",
    "CLOSED_LOST",
];
/// A field that the bench adds to opportunities.
pub const REGIONS: [&str; 4] = ["NORTH", "EAST", "SOUTH", "WEST"];
const TASK_STATES: [&str; 4] = ["NOT_STARTED", "IN_PROGRESS", "COMPLETED", "DEFERRED"];
const CITIES: [&str; 8] = ["Milano", "Torino", "Forlì", "Roma", "Genova", "Zürich", "Lyon", "München"];
const WORDS: [&str; 16] = [
    "Officine",
    "Nord",
    "Acciai",
    "Meridiana",
    "Vetro",
    "Aurora",
    "Fratelli",
    "Tessile",
    "Porto",
    "Alba",
    "Sistemi",
    "Legno",
    "Campo",
    "Stella",
    "Ponte",
    "Mare",
];
const FIRST_NAMES: [&str; 8] = ["Anna", "Bruno", "Chiara", "Dario", "Elena", "Fabio", "Giulia", "Ivo"];
const LAST_NAMES: [&str; 16] = [
    "Rossi", "Bianchi", "Verdi", "Neri", "Ferrari", "Russo", "Gallo", "Conti", "Marino", "Greco", "Bruno", "Lombardi",
    "Moretti", "Costa", "Fontana", "Riva",
];

/// Organizations, and with them 5 times as many contacts, 10 times as many opportunities and 20 times as many tasks.
///
/// An organization's contacts, opportunities and tasks have its owner. Numbers have another form than those that the server gives.
#[derive(Debug, Clone)]
pub struct Company {
    /// How many.
    pub organizations: u32,
    owners: Vec<Uuid>,
}

/// The fields of an organization.
pub const ORGANIZATION: Fields = &[
    "id",
    "version",
    "createdAt",
    "updatedAt",
    "owner:User",
    "number",
    "name",
    "website",
    "phone",
    "email",
    "employees",
    "rating",
    "industry",
    "type",
    "annualRevenue",
    "emailOptOut",
    "notifyOwner",
    "convertedFromLead",
    "billingStreet",
    "billingCity",
    "billingPostalCode",
    "billingCountry",
    "description",
];
/// The fields of a contact.
pub const CONTACT: Fields = &[
    "id",
    "version",
    "createdAt",
    "updatedAt",
    "owner:User",
    "number",
    "firstName",
    "lastName",
    "organization",
    "title",
    "birthday",
    "leadSource",
    "email",
    "phone",
    "doNotCall",
    "emailOptOut",
    "mailingCity",
    "mailingCountry",
];
/// The fields of an opportunity.
pub const OPPORTUNITY: Fields = &[
    "id",
    "version",
    "createdAt",
    "updatedAt",
    "owner:User",
    "number",
    "name",
    "organization",
    "contact",
    "amount",
    "closeDate",
    "stage",
    "probability",
    "type",
    "leadSource",
    "productLine",
    "nextStep",
    "convertedFromLead",
    "convertedToProject",
    "description",
    "region",
    "discount",
];
/// The fields of a task.
pub const TASK: Fields = &[
    "id",
    "version",
    "createdAt",
    "updatedAt",
    "owner:User",
    "subject",
    "parent:Opportunity",
    "contact",
    "startAt",
    "dueDate",
    "status",
    "priority",
    "location",
    "sendNotification",
    "reminderMinutes",
    "description",
];

impl Company {
    /// With so many organizations, which belong to the owners in turn: [`OWNERS`] users.
    pub fn new(organizations: u32, owners: Vec<Uuid>) -> Self {
        assert_eq!(owners.len(), OWNERS as usize, "every owner is a user");
        Self { organizations, owners }
    }

    /// How many contacts.
    pub fn contacts(&self) -> u32 {
        self.organizations * 5
    }

    /// How many opportunities.
    pub fn opportunities(&self) -> u32 {
        self.organizations * 10
    }

    /// How many tasks.
    pub fn tasks(&self) -> u32 {
        self.organizations * 20
    }

    /// The n-th organization.
    pub fn organization(&self, n: u32) -> Vec<Value> {
        let mut chance = Chance::new(1, n);
        let name = format!("{} {} {n}", chance.of(&WORDS), chance.of(&WORDS));
        let is_customer = n.is_multiple_of(CUSTOMER_EVERY);
        let city = chance.of(&CITIES);
        let mut values = system(self.organization_id(n), self.owner_of(n), &mut chance);
        values.extend([
            text(format!("O-{:06}", n + 1)),
            text(name.clone()),
            text(format!("https://www.company{n}.example/")),
            text(format!("+39 02 {:07}", chance.below(10_000_000))),
            text(format!("info@company{n}.example")),
            Value::Integer(i64::from(chance.below(5_000))),
            text("ACTIVE"),
            text(chance.of(&INDUSTRIES)),
            text(if is_customer { "CUSTOMER" } else { chance.of(&OTHER_TYPES) }),
            money(chance.below(1_000_000_000)),
            Value::Boolean(chance.below(10) == 0),
            Value::Boolean(false),
            Value::Boolean(chance.below(2) == 0),
            text(format!("Via {} {}", chance.of(&WORDS), chance.below(200) + 1)),
            text(city),
            text(format!("{:05}", chance.below(100_000))),
            text("Italia"),
            text(format!("{name} makes {} for {}.", chance.of(&WORDS), chance.of(&WORDS))),
        ]);
        values
    }

    /// The n-th contact.
    pub fn contact(&self, n: u32) -> Vec<Value> {
        let mut chance = Chance::new(2, n);
        let (first, last) = (chance.of(&FIRST_NAMES), chance.of(&LAST_NAMES));
        let organization = self.organization_of(n);
        let mut values = system(contact_id(n), self.owner_of(organization), &mut chance);
        values.extend([
            text(format!("C-{:06}", n + 1)),
            text(first),
            text(last),
            Value::Id(self.organization_id(organization)),
            text("Responsabile acquisti"),
            Value::Date(day(-8_000 - i64::from(chance.below(15_000)))),
            text("WEB_SITE"),
            text(format!("{}.{}{n}@mail.example", first.to_lowercase(), last.to_lowercase())),
            text(format!("+39 340 {:07}", chance.below(10_000_000))),
            Value::Boolean(chance.below(10) == 0),
            Value::Boolean(chance.below(10) == 0),
            text(chance.of(&CITIES)),
            text("Italia"),
        ]);
        values
    }

    /// The n-th opportunity.
    pub fn opportunity(&self, n: u32) -> Vec<Value> {
        let mut chance = Chance::new(3, n);
        let contact = self.contact_of(n);
        let stage = chance.of(&STAGES);
        let organization = self.organization_of(contact);
        let mut values = system(opportunity_id(n), self.owner_of(organization), &mut chance);
        values.extend([
            text(format!("P-{:06}", n + 1)),
            text(format!("{} {} {n}", chance.of(&WORDS), chance.of(&WORDS))),
            Value::Id(self.organization_id(organization)),
            Value::Id(contact_id(contact)),
            money(chance.below(20_000_000)),
            Value::Date(day(i64::from(chance.below(1_500)) - 750)),
            text(stage),
            money(chance.below(10_001)),
            text("NEW_BUSINESS"),
            text("WEB_SITE"),
            text("SOFTWARE"),
            text("Call back with the offer"),
            Value::Boolean(false),
            Value::Boolean(false),
            text(format!("They asked for {} and {}.", chance.of(&WORDS), chance.of(&WORDS))),
            text(chance.of(&REGIONS)),
            money(chance.below(3_001)),
        ]);
        values
    }

    /// The n-th task: two for each opportunity.
    pub fn task(&self, n: u32) -> Vec<Value> {
        let mut chance = Chance::new(4, n);
        let opportunity = n % self.opportunities();
        let contact = self.contact_of(opportunity);
        let mut values = system(id(4, n), self.owner_of(self.organization_of(contact)), &mut chance);
        let start = day(i64::from(chance.below(1_500)) - 750);
        values.extend([
            text(format!("{} {} {n}", chance.of(&WORDS), chance.of(&WORDS))),
            Value::Id(opportunity_id(opportunity)),
            Value::Id(contact_id(contact)),
            Value::DateTime(start.and_hms_opt(9, 30, 0).expect("a time of the day").and_utc()),
            Value::Date(start.checked_add_days(Days::new(7)).expect("a date of the calendar")),
            text(chance.of(&TASK_STATES)),
            text("MEDIUM"),
            text(chance.of(&CITIES)),
            Value::Boolean(chance.below(2) == 0),
            Value::Integer(15),
            text("Prepare the offer."),
        ]);
        values
    }

    /// The id of the n-th organization.
    pub fn organization_id(&self, n: u32) -> Uuid {
        id(1, n)
    }

    /// How many of the organizations are customers with whom much goes on.
    fn customers(&self) -> u32 {
        self.organizations.div_ceil(CUSTOMER_EVERY)
    }

    /// The organizations of the manager's team.
    pub fn of_team(&self) -> Vec<u32> {
        (0..self.organizations).filter(|n| owner_place(*n) < TEAM).collect()
    }

    fn owner_of(&self, organization: u32) -> Uuid {
        self.owners[owner_place(organization) as usize]
    }

    fn organization_of(&self, contact: u32) -> u32 {
        let place = scattered(contact, self.contacts());
        if place < self.customers() * CUSTOMER_WIDTH {
            return place / CUSTOMER_WIDTH * CUSTOMER_EVERY;
        }
        let others = self.organizations - self.customers();
        let other = (place - self.customers() * CUSTOMER_WIDTH) % others;
        // Of each twenty the first is a customer.
        other / (CUSTOMER_EVERY - 1) * CUSTOMER_EVERY + 1 + other % (CUSTOMER_EVERY - 1)
    }

    fn contact_of(&self, opportunity: u32) -> u32 {
        let place = scattered(opportunity, self.opportunities());
        let of_customers = self.customers() * CUSTOMER_WIDTH;
        let contact_place = if place < of_customers * CUSTOMER_WIDTH {
            place / CUSTOMER_WIDTH
        } else {
            of_customers + (place - of_customers * CUSTOMER_WIDTH) % (self.contacts() - of_customers)
        };
        gathered(contact_place, self.contacts())
    }
}

/// Which of the owners an organization has.
fn owner_place(organization: u32) -> u32 {
    Chance::new(20, organization).below(OWNERS)
}

fn contact_id(n: u32) -> Uuid {
    id(2, n)
}

fn opportunity_id(n: u32) -> Uuid {
    id(3, n)
}

/// A UUID of version 7 with a millisecond of its own, as ids of records that are made one after the other.
fn id(module: u64, n: u32) -> Uuid {
    let milliseconds = 1_700_000_000_000 + module * 10_000_000 + u64::from(n);
    let mut chance = Chance::new(module + 10, n);
    let (high, low) = (chance.next(), chance.next());
    let value = (u128::from(milliseconds) << 80)
        | (0x7 << 76)
        | (u128::from(high & 0xfff) << 64)
        | (0b10 << 62)
        | u128::from(low >> 2);
    Uuid::from_u128(value)
}

fn system(id: Uuid, owner: Uuid, chance: &mut Chance) -> Vec<Value> {
    let seconds = 1_740_000_000 + i64::from(chance.below(40_000_000));
    let at = DateTime::<Utc>::from_timestamp(seconds, 0).expect("a time of our days");
    vec![Value::Id(id), Value::Integer(1), Value::DateTime(at), Value::DateTime(at), Value::Id(owner)]
}

fn text(text: impl Into<String>) -> Value {
    Value::Text(text.into())
}

fn money(cents: u32) -> Value {
    Value::Decimal(Decimal::from_parts(i128::from(cents), 2))
}

/// So many days from the beginning of 2026.
pub fn day(from_2026: i64) -> NaiveDate {
    let start = NaiveDate::from_ymd_opt(2026, 1, 1).expect("a date");
    let distance = Days::new(from_2026.unsigned_abs());
    let day = if from_2026 < 0 { start.checked_sub_days(distance) } else { start.checked_add_days(distance) };
    day.expect("a date of the calendar")
}

/// The n-th of `count` places, each once.
fn scattered(n: u32, count: u32) -> u32 {
    (u64::from(n) * SCATTER % u64::from(count)) as u32
}

/// Undoes [`scattered`]: multiplies by the inverse of the factor.
fn gathered(place: u32, count: u32) -> u32 {
    let (mut old, mut new) = ((SCATTER % u64::from(count)) as i64, i64::from(count));
    let (mut old_factor, mut new_factor) = (1_i64, 0_i64);
    while new != 0 {
        let quotient = old / new;
        (old, new) = (new, old - quotient * new);
        (old_factor, new_factor) = (new_factor, old_factor - quotient * new_factor);
    }
    let inverse = old_factor.rem_euclid(i64::from(count)) as u64;
    (u64::from(place) * inverse % u64::from(count)) as u32
}

/// Numbers that look like chance and are the same on every run: SplitMix64 (<https://prng.di.unimi.it/splitmix64.c>).
struct Chance(u64);

impl Chance {
    fn new(module: u64, n: u32) -> Self {
        Self(module << 40 | u64::from(n))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u32) -> u32 {
        (self.next() % u64::from(bound)) as u32
    }

    fn of(&mut self, choices: &[&'static str]) -> &'static str {
        choices[self.next() as usize % choices.len()]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn company() -> Company {
        Company::new(1_000, (0..OWNERS).map(|n| id(9, n)).collect())
    }

    #[test]
    fn places_are_scattered_and_found_again() {
        for count in [5_000, 50_000, 100_000, 12_345] {
            let mut places: Vec<u32> = (0..count).map(|n| scattered(n, count)).collect();
            assert!((0..count).all(|n| gathered(scattered(n, count), count) == n));
            places.sort_unstable();
            places.dedup();
            assert_eq!(places.len(), count as usize);
        }
    }

    #[test]
    fn customers_have_more_than_a_page_and_all_others_have_something() {
        let company = company();
        let mut contacts: HashMap<u32, u32> = HashMap::new();
        let mut opportunities: HashMap<u32, u32> = HashMap::new();
        for contact in 0..company.contacts() {
            *contacts.entry(company.organization_of(contact)).or_default() += 1;
        }
        for opportunity in 0..company.opportunities() {
            *opportunities.entry(company.contact_of(opportunity)).or_default() += 1;
        }
        assert_eq!(contacts.len(), 1_000);
        for (organization, count) in contacts {
            assert_eq!(organization % CUSTOMER_EVERY == 0, count == CUSTOMER_WIDTH, "{organization}: {count}");
        }
        for contact in 0..company.contacts() {
            let of_customer = company.organization_of(contact).is_multiple_of(CUSTOMER_EVERY);
            let count = opportunities.get(&contact).copied().unwrap_or_default();
            assert_eq!(of_customer, count == CUSTOMER_WIDTH, "{contact}: {count}");
        }
    }

    #[test]
    fn a_quarter_is_the_teams_and_some_of_it_customers() {
        let organizations = company().of_team();
        assert!((150..350).contains(&organizations.len()), "{}", organizations.len());
        let customers = organizations.iter().filter(|n| n.is_multiple_of(CUSTOMER_EVERY)).count();
        assert!(customers > 0 && customers < organizations.len());
    }

    #[test]
    fn a_record_has_a_value_for_each_of_its_fields_and_is_the_same_again() {
        let company = company();
        assert_eq!(company.organization(7).len(), ORGANIZATION.len());
        assert_eq!(company.contact(7).len(), CONTACT.len());
        assert_eq!(company.opportunity(7).len(), OPPORTUNITY.len());
        assert_eq!(company.task(7).len(), TASK.len());
        assert_eq!(company.opportunity(7), self::company().opportunity(7));
        assert_ne!(company.opportunity(7), company.opportunity(8));
        assert_eq!(company.organization_id(3).get_version_num(), 7);
    }
}
