"""Functions that change nothing outside of their result, from the documentation of both databases."""

from __future__ import annotations


def named(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


_BOTH = """
abs acos acosh asin asinh atan atan2 atanh avg cast ceil ceiling coalesce concat concat_ws cos cosh count cume_dist
degrees dense_rank exp first_value floor format ilike lag last_value lead length like ln log log10 lower ltrim max min
mod nth_value ntile nullif octet_length percent_rank pi power radians random rank replace round row_number rtrim sign
sin sinh sqrt string_agg substr substring sum tan tanh trim trunc upper
"""
_POSTGRESQL = """
age any_value array_agg array_append array_cat array_dims array_fill array_length array_lower array_ndims
array_position array_positions array_prepend array_remove array_replace array_sample array_shuffle array_to_json
array_to_string array_upper ascii bit_and bit_count bit_length bit_or bit_xor bool_and bool_or btrim cardinality cbrt
char_length character_length chr clock_timestamp col_description convert_from convert_to corr covar_pop covar_samp
crc32 current_database current_schema current_schemas current_setting date_add date_bin date_part date_subtract
date_trunc decode digest div encode enum_first enum_last enum_range erf every extract factorial format_type gcd
gen_random_bytes gen_random_uuid generate_series generate_subscripts get_bit get_byte greatest
has_table_privilege has_schema_privilege host initcap isempty isfinite json_agg json_array_elements
json_array_elements_text json_array_length json_build_array json_build_object json_each json_each_text
json_extract_path json_extract_path_text json_object json_object_agg json_object_keys json_populate_record
json_populate_recordset json_strip_nulls json_to_record json_to_recordset json_typeof jsonb_agg jsonb_array_elements
jsonb_array_elements_text jsonb_array_length jsonb_build_array jsonb_build_object jsonb_each jsonb_each_text
jsonb_extract_path jsonb_extract_path_text jsonb_insert jsonb_object jsonb_object_agg jsonb_object_keys
jsonb_path_exists jsonb_path_match jsonb_path_query jsonb_path_query_array jsonb_path_query_first
jsonb_populate_record jsonb_populate_recordset jsonb_pretty jsonb_set jsonb_set_lax jsonb_strip_nulls jsonb_to_record
jsonb_to_recordset jsonb_typeof justify_days justify_hours justify_interval lcm least left localtime localtimestamp
lower_inc lower_inf lpad make_date make_interval make_time make_timestamp make_timestamptz masklen md5 mode multirange
nextval currval lastval normalize now num_nonnulls num_nulls numnode obj_description overlay parse_ident percentile_cont
percentile_disc pg_column_size pg_get_constraintdef pg_get_expr pg_get_indexdef pg_get_serial_sequence
pg_get_viewdef pg_relation_size pg_size_pretty pg_table_size pg_total_relation_size pg_typeof plainto_tsquery
phraseto_tsquery position quote_ident quote_literal quote_nullable range_agg range_merge regexp_count regexp_instr
regexp_like regexp_match regexp_matches regexp_replace regexp_split_to_array regexp_split_to_table regexp_substr
regr_slope repeat reverse right row_to_json rpad scale set_bit set_byte setseed setweight sha224 sha256 sha384 sha512
shobj_description similarity split_part starts_with statement_timestamp stddev stddev_pop stddev_samp
string_to_array string_to_table strip strpos text timeofday to_ascii to_bin to_char to_date to_hex to_json to_jsonb
to_number to_oct to_regclass to_regnamespace to_regproc to_regtype to_timestamp to_tsquery to_tsvector
transaction_timestamp translate trim_array trim_scale ts_rank ts_rank_cd unistr unaccent unnest upper_inc upper_inf
uuid_generate_v1 uuid_generate_v1mc uuid_generate_v3 uuid_generate_v4 uuid_generate_v5 uuidv4 uuidv7 var_pop var_samp
variance version websearch_to_tsquery width_bucket xmlagg xmlelement xmlforest gen_salt crypt hmac
int4range int8range numrange tsrange tstzrange daterange point box circle inet cidr date time timestamp timestamptz
"""
_SQLITE = """
changes char date datetime glob group_concat hex ifnull iif instr json json_array json_array_length json_each
json_error_position json_extract json_group_array json_group_object json_insert json_object json_patch json_pretty
json_quote json_remove json_replace json_set json_tree json_type json_valid jsonb jsonb_array jsonb_extract
jsonb_group_array jsonb_group_object jsonb_insert jsonb_object jsonb_patch jsonb_remove jsonb_replace jsonb_set
julianday last_insert_rowid likelihood likely log2 printf quote randomblob soundex strftime time timediff total
total_changes typeof unhex unicode unistr unixepoch unlikely zeroblob sqlite_version sqlite_source_id
matchinfo snippet highlight bm25 pragma_table_info pragma_table_xinfo pragma_table_list pragma_index_list
pragma_index_info pragma_foreign_key_list
"""
_RESERVED = """
ALL AND ANY ARRAY AS BETWEEN CASE CHECK DEFAULT DISTINCT ELSE EXCEPT EXISTS FROM GROUP GROUPING HAVING IN INTERSECT JOIN
LATERAL LIMIT NOT OFFSET ON ONLY OR ROW SELECT SOME THEN TO UNION UNIQUE USING VALUES WHEN WHERE WITH COLLATE END
BIT CHAR CHARACTER DEC DECIMAL FLOAT INT INTEGER BIGINT SMALLINT INTERVAL NCHAR NUMERIC TIME TIMESTAMP VARCHAR REAL
RETURNING
"""  # keywords that no function bears without quotes
_UNRESERVED = """
BY CONFLICT CROSS CUBE ESCAPE FILTER GLOB ILIKE INNER IS ISNULL KEY LEFT LIKE MATCH MATERIALIZED NATURAL NOTNULL OVER
PARTITION REGEXP ROLLUP SET SETS SIMILAR
"""  # keywords that a function may bear: they are one where an expression begins
_BEGINNING = """
SELECT WHERE AND OR NOT ON WHEN THEN ELSE HAVING BY RETURNING DISTINCT CASE IN VALUES LIMIT FROM JOIN DEFAULT BETWEEN
( , + - * / < > = ! ~ | & % ^ ? @ #
"""  # words after which an expression begins

POSTGRESQL = named(_BOTH + _POSTGRESQL)
SQLITE = named(_BOTH + _SQLITE)
RESERVED = named(_RESERVED)
UNRESERVED = named(_UNRESERVED)
BEGINNING = named(_BEGINNING)
PAIRS = frozenset({("ON", "CONFLICT"), ("NOT", "MATERIALIZED"), ("THEN", "INSERT"), ("BY", "ROLLUP"), ("BY", "CUBE")})
# A default of these is worked out once, for the whole statement.
STABLE = named("now current_date current_timestamp localtimestamp transaction_timestamp statement_timestamp")
EXTENSIONS = named(
    "btree_gin btree_gist citext cube dict_int fuzzystrmatch hstore intarray isn lo ltree pg_trgm pgcrypto plpgsql seg"
    " tablefunc tcn tsm_system_rows tsm_system_time unaccent uuid-ossp vector postgis pg_stat_statements"
)
