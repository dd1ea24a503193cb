-- What PostGraphile serves: the live records of the tables that the bench asks for, as views, so that the same partial
-- indexes serve it, with keys and references told by smart comments, as views have none.
CREATE SCHEMA peer;

CREATE VIEW peer.users AS SELECT id, name, email FROM public."user" WHERE deleted_at IS NULL;

CREATE VIEW peer.organizations AS
    SELECT id, created_at, owner_id, number, name, website, phone, email, employees, industry, type, annual_revenue, billing_city
    FROM public.organization WHERE deleted_at IS NULL;

CREATE VIEW peer.contacts AS
    SELECT id, owner_id, organization_id, first_name, last_name FROM public.contact WHERE deleted_at IS NULL;

CREATE VIEW peer.opportunities AS
    SELECT id, version, created_at, updated_at, owner_id, deleted_at, number, name, organization_id, contact_id, amount,
        close_date, stage, probability, type, lead_source, campaign_id, product_line, next_step, lost_reason,
        converted_from_lead, converted_to_project, description, region, discount
    FROM public.opportunity WHERE deleted_at IS NULL;

COMMENT ON VIEW peer.users IS E'@name user\n@primaryKey id';
COMMENT ON VIEW peer.organizations IS
    E'@name organization\n@primaryKey id\n@foreignKey (owner_id) references peer.users (id)|@fieldName owner';
COMMENT ON VIEW peer.contacts IS
    E'@name contact\n@primaryKey id\n@foreignKey (owner_id) references peer.users (id)|@fieldName owner\n@foreignKey (organization_id) references peer.organizations (id)|@foreignFieldName contacts';
COMMENT ON VIEW peer.opportunities IS
    E'@name opportunity\n@primaryKey id\n@foreignKey (owner_id) references peer.users (id)|@fieldName owner\n@foreignKey (organization_id) references peer.organizations (id)|@foreignFieldName opportunities';
