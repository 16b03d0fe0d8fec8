/*
 * The grammar of LogQL.
 *
 * Productions, precedences and the order in which tokens are declared are the reference's: the
 * texts of syntax errors follow from the tables that Bison makes of them. So nothing here may be
 * rearranged for beauty, and the conflicts, which are all solved by shifting, belong to it.
 *
 * Actions only call builders (parser_internal.h). The parser stops at the first syntax error; what
 * the reference's parser would still have found behind it is the matter of recovery.c, which reads
 * the tables through the functions at the end of this file.
 */
%define api.pure full
%define api.prefix {grammar_}
%define api.token.prefix {TOKEN_}
%define api.value.type {union grammar_value}
%define parse.error custom
%param {struct parser *p}
%expect 40

%code requires {
struct parser;
union grammar_value;
}

%code {
#include "base/mem.h"
#include "query/parser_internal.h"

/*
 * Each token pushes at most one state and a query has fewer tokens than bytes, so this depth is
 * never reached.
 */
#define YYMAXDEPTH (QUERY_BYTES_MAX + 16)
#define YYMALLOC mem_bytes
#define YYFREE mem_free

#define TRY(call)                                                                                 \
    do {                                                                                          \
        if ((call) != ST_OK)                                                                      \
            YYABORT;                                                                              \
    } while (0)

#define RANGE(ret, ...) TRY(build_range(p, &(struct range_parts){__VA_ARGS__}, &(ret)))
#define RANGE_CALL(ret, ...) \
    TRY(build_range_aggregation(p, &(struct call_parts){__VA_ARGS__}, &(ret)))
#define VECTOR_CALL(ret, ...) \
    TRY(build_vector_aggregation(p, &(struct call_parts){__VA_ARGS__}, &(ret)))
#define BINARY(ret, ...) TRY(build_binary(p, &(struct binary_parts){__VA_ARGS__}, &(ret)))
#define MODIFIER(ret, ...) TRY(build_modifier(p, (struct binary_modifier){__VA_ARGS__}, &(ret)))

static int grammar_lex(union grammar_value *value, struct parser *p);
static void grammar_error(struct parser *p, const char *text);
}

%token <bytes> BYTES
%token <text> IDENTIFIER STRING NUMBER FUNCTION_FLAG
%token <duration_ns> DURATION RANGE
%token MATCHERS LABELS
%token EQ "=" RE "=~" NRE "!~" NPA "!>" OPEN_BRACE "{" CLOSE_BRACE "}" OPEN_BRACKET "["
%token CLOSE_BRACKET "]" COMMA "," DOT "."
%token PIPE_MATCH "|~" PIPE_EXACT "|=" PIPE_PATTERN "|>" OPEN_PARENTHESIS "("
%token CLOSE_PARENTHESIS ")" BY "by" WITHOUT "without"
%token COUNT_OVER_TIME RATE RATE_COUNTER SUM SORT SORT_DESC AVG MAX MIN COUNT STDDEV STDVAR
%token BOTTOMK TOPK APPROX_TOPK
%token BYTES_OVER_TIME BYTES_RATE BOOL "bool" JSON "json" REGEXP "regexp" LOGFMT "logfmt" PIPE "|"
%token LINE_FMT "line_format"
%token LABEL_FMT "label_format" UNWRAP "unwrap" AVG_OVER_TIME SUM_OVER_TIME MIN_OVER_TIME
%token MAX_OVER_TIME STDVAR_OVER_TIME
%token STDDEV_OVER_TIME QUANTILE_OVER_TIME BYTES_CONV DURATION_CONV DURATION_SECONDS_CONV
%token FIRST_OVER_TIME LAST_OVER_TIME
%token ABSENT_OVER_TIME VECTOR LABEL_REPLACE "label_replace" UNPACK "unpack" OFFSET "offset"
%token PATTERN "pattern" IP "ip" ON "on"
%token IGNORING "ignoring" GROUP_LEFT "group_left" GROUP_RIGHT "group_right"
%token DECOLORIZE "decolorize" DROP "drop" KEEP "keep"
%token OR "or" AND "and" UNLESS "unless" CMP_EQ "==" NEQ "!=" LT "<" LTE "<=" GT ">" GTE ">="
%token ADD "+" SUB "-" MUL "*" DIV "/" MOD "%" POW "^"

%left "or"
%left "and" "unless"
%left "==" "!=" "<" "<=" ">" ">="
%left "+" "-"
%left "*" "/" "%"
%right "^"

%type <expr> expr metric rangeagg vecagg labelrepl vecfn binop
%type <log> logq
%type <range> range
%type <unwrap> unw
%type <duration_ns> off
%type <op> conv rop vop lop
%type <literal> lit
%type <list> sel mlist pipe stage linefs xlist lfmts nameds names
%type <matcher> match
%type <line_filter> linef
%type <line_term> orterm
%type <stage> flags logfmtp parser jsonx logfmtx linefmt decol labelfmt dropst keepst
%type <extraction> xpr
%type <format> lfmt1
%type <condition> named
%type <filter> lfilter ipf unitf durf bytef numf
%type <modifier> boolmod onmod bmod
%type <grouping> grp

%start query
%%
query    : expr { p->result = $1; } ;
expr     : logq { TRY(build_log_query(p, $1, &$$)); }
         | metric ;
logq     : sel { TRY(build_log(p, $1, (struct list){0}, &$$)); }
         | sel pipe { TRY(build_log(p, $1, $2, &$$)); }
         | "(" logq ")" { $$ = $2; } ;
metric   : rangeagg
         | vecagg
         | binop
         | lit { TRY(build_literal(p, $1, &$$)); }
         | labelrepl
         | vecfn
         | "(" metric ")" { $$ = $2; } ;

range    : sel RANGE { RANGE($$, $1, .range_ns = $2); }
         | sel RANGE off { RANGE($$, $1, .range_ns = $2, .offset_ns = $3); }
         | "(" sel ")" RANGE { RANGE($$, $2, .range_ns = $4); }
         | "(" sel ")" RANGE off { RANGE($$, $2, .range_ns = $4, .offset_ns = $5); }
         | sel RANGE unw { RANGE($$, $1, .range_ns = $2, .unwrap = $3); }
         | sel RANGE off unw { RANGE($$, $1, .range_ns = $2, .offset_ns = $3, .unwrap = $4); }
         | "(" sel ")" RANGE unw { RANGE($$, $2, .range_ns = $4, .unwrap = $5); }
         | "(" sel ")" RANGE off unw
             { RANGE($$, $2, .range_ns = $4, .offset_ns = $5, .unwrap = $6); }
         | sel unw RANGE { RANGE($$, $1, .unwrap = $2, .range_ns = $3); }
         | sel unw RANGE off { RANGE($$, $1, .unwrap = $2, .range_ns = $3, .offset_ns = $4); }
         | "(" sel unw ")" RANGE { RANGE($$, $2, .unwrap = $3, .range_ns = $5); }
         | "(" sel unw ")" RANGE off
             { RANGE($$, $2, .unwrap = $3, .range_ns = $5, .offset_ns = $6); }
         | sel pipe RANGE { RANGE($$, $1, $2, .range_ns = $3); }
         | sel pipe RANGE off { RANGE($$, $1, $2, .range_ns = $3, .offset_ns = $4); }
         | "(" sel pipe ")" RANGE { RANGE($$, $2, $3, .range_ns = $5); }
         | "(" sel pipe ")" RANGE off { RANGE($$, $2, $3, .range_ns = $5, .offset_ns = $6); }
         | sel pipe unw RANGE { RANGE($$, $1, $2, .unwrap = $3, .range_ns = $4); }
         | sel pipe unw RANGE off
             { RANGE($$, $1, $2, .unwrap = $3, .range_ns = $4, .offset_ns = $5); }
         | "(" sel pipe unw ")" RANGE { RANGE($$, $2, $3, .unwrap = $4, .range_ns = $6); }
         | "(" sel pipe unw ")" RANGE off
             { RANGE($$, $2, $3, .unwrap = $4, .range_ns = $6, .offset_ns = $7); }
         | sel RANGE pipe { RANGE($$, $1, $3, .range_ns = $2); }
         | sel RANGE off pipe { RANGE($$, $1, $4, .range_ns = $2, .offset_ns = $3); }
         | sel RANGE pipe unw { RANGE($$, $1, $3, .range_ns = $2, .unwrap = $4); }
         | sel RANGE off pipe unw
             { RANGE($$, $1, $4, .range_ns = $2, .offset_ns = $3, .unwrap = $5); }
         | "(" range ")" { $$ = $2; }
         | range error { $$ = $1; } ;
unw      : "|" "unwrap" IDENTIFIER { TRY(build_unwrap(p, UNWRAP_NONE, $3, &$$)); }
         | "|" "unwrap" conv "(" IDENTIFIER ")" { TRY(build_unwrap(p, $3, $5, &$$)); }
         | unw "|" lfilter { TRY(build_unwrap_filter(p, $1, $3)); $$ = $1; } ;
conv     : BYTES_CONV { $$ = UNWRAP_BYTES; }
         | DURATION_CONV { $$ = UNWRAP_DURATION; }
         | DURATION_SECONDS_CONV { $$ = UNWRAP_DURATION_SECONDS; } ;
off      : "offset" DURATION { $$ = $2; } ;

rangeagg : rop "(" range ")" { RANGE_CALL($$, $1, .range = $3); }
         | rop "(" NUMBER "," range ")" { RANGE_CALL($$, $1, .parameter = $3, .range = $5); }
         | rop "(" range ")" grp { RANGE_CALL($$, $1, .range = $3, .grouping = $5); }
         | rop "(" NUMBER "," range ")" grp
             { RANGE_CALL($$, $1, .parameter = $3, .range = $5, .grouping = $7); } ;
vecagg   : vop "(" metric ")" { VECTOR_CALL($$, $1, .child = $3); }
         | vop grp "(" metric ")" { VECTOR_CALL($$, $1, .grouping = $2, .child = $4); }
         | vop "(" metric ")" grp { VECTOR_CALL($$, $1, .child = $3, .grouping = $5); }
         | vop "(" NUMBER "," metric ")" { VECTOR_CALL($$, $1, .parameter = $3, .child = $5); }
         | vop "(" NUMBER "," metric ")" grp
             { VECTOR_CALL($$, $1, .parameter = $3, .child = $5, .grouping = $7); }
         | vop grp "(" NUMBER "," metric ")"
             { VECTOR_CALL($$, $1, .grouping = $2, .parameter = $4, .child = $6); } ;
labelrepl: "label_replace" "(" metric "," STRING "," STRING "," STRING "," STRING ")"
             { TRY(build_label_replace(p, &(struct replace_parts){$3, $5, $7, $9, $11}, &$$)); } ;
vecfn    : vecword "(" NUMBER ")" { TRY(build_vector(p, $3, &$$)); } ;
vecword  : VECTOR ;
lit      : NUMBER { TRY(read_literal(p, $1, false, &$$)); }
         | "+" NUMBER { TRY(read_literal(p, $2, false, &$$)); }
         | "-" NUMBER { TRY(read_literal(p, $2, true, &$$)); } ;

sel      : "{" mlist "}" { $$ = $2; }
         | "{" mlist error { $$ = $2; }
         | "{" "}" { $$ = (struct list){0}; } ;
mlist    : match { $$ = (struct list){0}; TRY(build_selector_add(p, &$$, $1)); }
         | mlist "," match { $$ = $1; TRY(build_selector_add(p, &$$, $3)); } ;
match    : IDENTIFIER "=" STRING { TRY(build_match(p, MATCH_EQ, $1, $3, &$$)); }
         | IDENTIFIER "!=" STRING { TRY(build_match(p, MATCH_NEQ, $1, $3, &$$)); }
         | IDENTIFIER "=~" STRING { TRY(build_match(p, MATCH_RE, $1, $3, &$$)); }
         | IDENTIFIER "!~" STRING { TRY(build_match(p, MATCH_NRE, $1, $3, &$$)); } ;

pipe     : stage
         | pipe stage { $$ = $1; TRY(build_stages_add(p, &$$, $2)); } ;
stage    : linefs
         | "|" logfmtp { TRY(build_stage_list(p, $2, &$$)); }
         | "|" parser { TRY(build_stage_list(p, $2, &$$)); }
         | "|" jsonx { TRY(build_stage_list(p, $2, &$$)); }
         | "|" logfmtx { TRY(build_stage_list(p, $2, &$$)); }
         | "|" lfilter { TRY(build_filter_stage(p, $2, &$$)); }
         | "|" linefmt { TRY(build_stage_list(p, $2, &$$)); }
         | "|" decol { TRY(build_stage_list(p, $2, &$$)); }
         | "|" labelfmt { TRY(build_stage_list(p, $2, &$$)); }
         | "|" dropst { TRY(build_stage_list(p, $2, &$$)); }
         | "|" keepst { TRY(build_stage_list(p, $2, &$$)); } ;
lop      : "|~" { $$ = LINE_RE; }
         | "|=" { $$ = LINE_CONTAINS; }
         | "|>" { $$ = LINE_PATTERN; }
         | "!~" { $$ = LINE_NOT_RE; }
         | "!=" { $$ = LINE_NOT_CONTAINS; }
         | "!>" { $$ = LINE_NOT_PATTERN; } ;
lfn      : "ip" ;
orterm   : STRING { TRY(build_line_term(p, $1, false, NULL, &$$)); }
         | STRING "or" orterm { TRY(build_line_term(p, $1, false, $3, &$$)); }
         | lfn "(" STRING ")" { TRY(build_line_term(p, $3, true, NULL, &$$)); } ;
linef    : lop STRING { TRY(build_line_filter(p, $1, $2, false, &$$)); }
         | lop lfn "(" STRING ")" { TRY(build_line_filter(p, $1, $4, true, &$$)); }
         | linef "or" orterm { TRY(build_line_filter_or(p, $1, $3)); $$ = $1; } ;
linefs   : linef { $$ = (struct list){0}; TRY(build_line_stages(p, &$$, $1)); }
         | linefs linef { $$ = $1; TRY(build_line_stages(p, &$$, $2)); } ;
flags    : FUNCTION_FLAG { TRY(build_stage(p, STAGE_LOGFMT, &$$)); build_flag($$, $1); }
         | flags FUNCTION_FLAG { $$ = $1; build_flag($$, $2); } ;
logfmtp  : "logfmt" { TRY(build_stage(p, STAGE_LOGFMT, &$$)); }
         | "logfmt" flags { $$ = $2; } ;
parser   : "json" { TRY(build_stage(p, STAGE_JSON, &$$)); }
         | "regexp" STRING { TRY(build_regexp_stage(p, $2, &$$)); }
         | "unpack" { TRY(build_stage(p, STAGE_UNPACK, &$$)); }
         | "pattern" STRING { TRY(build_pattern_stage(p, $2, &$$)); } ;
jsonx    : "json" xlist { TRY(build_stage(p, STAGE_JSON, &$$)); build_extractions($$, $2); } ;
logfmtx  : "logfmt" flags xlist { $$ = $2; build_extractions($$, $3); }
         | "logfmt" xlist { TRY(build_stage(p, STAGE_LOGFMT, &$$)); build_extractions($$, $2); } ;
xlist    : xpr { $$ = (struct list){0}; TRY(build_extraction_add(p, &$$, $1)); }
         | xlist "," xpr { $$ = $1; TRY(build_extraction_add(p, &$$, $3)); } ;
xpr      : IDENTIFIER "=" STRING { TRY(build_extraction(p, $1, $3, &$$)); }
         | IDENTIFIER { TRY(build_extraction(p, $1, $1, &$$)); } ;
linefmt  : "line_format" STRING { TRY(build_stage(p, STAGE_LINE_FORMAT, &$$)); $$->text = $2; } ;
decol    : "decolorize" { TRY(build_stage(p, STAGE_DECOLORIZE, &$$)); } ;
lfmt1    : IDENTIFIER "=" IDENTIFIER { TRY(build_format(p, $1, $3, true, &$$)); }
         | IDENTIFIER "=" STRING { TRY(build_format(p, $1, $3, false, &$$)); } ;
lfmts    : lfmt1 { $$ = (struct list){0}; TRY(build_format_add(p, &$$, $1)); }
         | lfmts "," lfmt1 { $$ = $1; TRY(build_format_add(p, &$$, $3)); }
         | lfmts "," error { $$ = $1; } ;
labelfmt : "label_format" lfmts
             { TRY(build_stage(p, STAGE_LABEL_FORMAT, &$$)); build_formats($$, $2); } ;
named    : IDENTIFIER { TRY(build_condition(p, $1, NULL, &$$)); }
         | match { TRY(build_condition(p, $1->name, $1, &$$)); } ;
nameds   : named { $$ = (struct list){0}; TRY(build_condition_add(p, &$$, $1)); }
         | nameds "," named { $$ = $1; TRY(build_condition_add(p, &$$, $3)); } ;
dropst   : "drop" nameds { TRY(build_stage(p, STAGE_DROP, &$$)); build_conditions($$, $2); } ;
keepst   : "keep" nameds { TRY(build_stage(p, STAGE_KEEP, &$$)); build_conditions($$, $2); } ;

lfilter  : match { TRY(build_match_filter(p, $1, &$$)); }
         | ipf
         | unitf
         | numf
         | "(" lfilter ")" { $$ = $2; }
         | lfilter lfilter { TRY(build_filter_pair(p, LABEL_FILTER_AND, $1, $2, &$$)); }
         | lfilter "and" lfilter { TRY(build_filter_pair(p, LABEL_FILTER_AND, $1, $3, &$$)); }
         | lfilter "," lfilter { TRY(build_filter_pair(p, LABEL_FILTER_AND, $1, $3, &$$)); }
         | lfilter "or" lfilter { TRY(build_filter_pair(p, LABEL_FILTER_OR, $1, $3, &$$)); } ;
ipf      : IDENTIFIER "=" "ip" "(" STRING ")" { TRY(build_ip_filter(p, $1, COMPARE_EQ, $5, &$$)); }
         | IDENTIFIER "!=" "ip" "(" STRING ")"
             { TRY(build_ip_filter(p, $1, COMPARE_NEQ, $5, &$$)); } ;
unitf    : durf
         | bytef ;
durf     : IDENTIFIER ">" DURATION { TRY(build_duration_filter(p, $1, COMPARE_GT, $3, &$$)); }
         | IDENTIFIER ">=" DURATION { TRY(build_duration_filter(p, $1, COMPARE_GTE, $3, &$$)); }
         | IDENTIFIER "<" DURATION { TRY(build_duration_filter(p, $1, COMPARE_LT, $3, &$$)); }
         | IDENTIFIER "<=" DURATION { TRY(build_duration_filter(p, $1, COMPARE_LTE, $3, &$$)); }
         | IDENTIFIER "!=" DURATION { TRY(build_duration_filter(p, $1, COMPARE_NEQ, $3, &$$)); }
         | IDENTIFIER "=" DURATION { TRY(build_duration_filter(p, $1, COMPARE_EQ, $3, &$$)); }
         | IDENTIFIER "==" DURATION { TRY(build_duration_filter(p, $1, COMPARE_EQ, $3, &$$)); } ;
bytef    : IDENTIFIER ">" BYTES { TRY(build_bytes_filter(p, $1, COMPARE_GT, $3, &$$)); }
         | IDENTIFIER ">=" BYTES { TRY(build_bytes_filter(p, $1, COMPARE_GTE, $3, &$$)); }
         | IDENTIFIER "<" BYTES { TRY(build_bytes_filter(p, $1, COMPARE_LT, $3, &$$)); }
         | IDENTIFIER "<=" BYTES { TRY(build_bytes_filter(p, $1, COMPARE_LTE, $3, &$$)); }
         | IDENTIFIER "!=" BYTES { TRY(build_bytes_filter(p, $1, COMPARE_NEQ, $3, &$$)); }
         | IDENTIFIER "=" BYTES { TRY(build_bytes_filter(p, $1, COMPARE_EQ, $3, &$$)); }
         | IDENTIFIER "==" BYTES { TRY(build_bytes_filter(p, $1, COMPARE_EQ, $3, &$$)); } ;
numf     : IDENTIFIER ">" lit { TRY(build_number_filter(p, $1, COMPARE_GT, $3, &$$)); }
         | IDENTIFIER ">=" lit { TRY(build_number_filter(p, $1, COMPARE_GTE, $3, &$$)); }
         | IDENTIFIER "<" lit { TRY(build_number_filter(p, $1, COMPARE_LT, $3, &$$)); }
         | IDENTIFIER "<=" lit { TRY(build_number_filter(p, $1, COMPARE_LTE, $3, &$$)); }
         | IDENTIFIER "!=" lit { TRY(build_number_filter(p, $1, COMPARE_NEQ, $3, &$$)); }
         | IDENTIFIER "=" lit { TRY(build_number_filter(p, $1, COMPARE_EQ, $3, &$$)); }
         | IDENTIFIER "==" lit { TRY(build_number_filter(p, $1, COMPARE_EQ, $3, &$$)); } ;

binop    : expr "or" bmod expr { BINARY($$, BINARY_OP_OR, $3, $1, $4); }
         | expr "and" bmod expr { BINARY($$, BINARY_OP_AND, $3, $1, $4); }
         | expr "unless" bmod expr { BINARY($$, BINARY_OP_UNLESS, $3, $1, $4); }
         | expr "+" bmod expr { BINARY($$, BINARY_OP_ADD, $3, $1, $4); }
         | expr "-" bmod expr { BINARY($$, BINARY_OP_SUB, $3, $1, $4); }
         | expr "*" bmod expr { BINARY($$, BINARY_OP_MUL, $3, $1, $4); }
         | expr "/" bmod expr { BINARY($$, BINARY_OP_DIV, $3, $1, $4); }
         | expr "%" bmod expr { BINARY($$, BINARY_OP_MOD, $3, $1, $4); }
         | expr "^" bmod expr { BINARY($$, BINARY_OP_POW, $3, $1, $4); }
         | expr "==" bmod expr { BINARY($$, BINARY_OP_EQ, $3, $1, $4); }
         | expr "!=" bmod expr { BINARY($$, BINARY_OP_NEQ, $3, $1, $4); }
         | expr ">" bmod expr { BINARY($$, BINARY_OP_GT, $3, $1, $4); }
         | expr ">=" bmod expr { BINARY($$, BINARY_OP_GTE, $3, $1, $4); }
         | expr "<" bmod expr { BINARY($$, BINARY_OP_LT, $3, $1, $4); }
         | expr "<=" bmod expr { BINARY($$, BINARY_OP_LTE, $3, $1, $4); } ;
boolmod  : %empty { MODIFIER($$, .return_bool = false); }
         | "bool" { MODIFIER($$, .return_bool = true); } ;
onmod    : boolmod "on" "(" names ")" { build_matching($1, true, $4); $$ = $1; }
         | boolmod "on" "(" ")" { build_matching($1, true, (struct list){0}); $$ = $1; }
         | boolmod "ignoring" "(" names ")" { build_matching($1, false, $4); $$ = $1; }
         | boolmod "ignoring" "(" ")" { build_matching($1, false, (struct list){0}); $$ = $1; } ;
bmod     : boolmod
         | onmod
         | onmod "group_left" { build_group($1, CARD_GROUP_LEFT, (struct list){0}); $$ = $1; }
         | onmod "group_left" "(" ")"
             { build_group($1, CARD_GROUP_LEFT, (struct list){0}); $$ = $1; }
         | onmod "group_left" "(" names ")" { build_group($1, CARD_GROUP_LEFT, $4); $$ = $1; }
         | onmod "group_right" { build_group($1, CARD_GROUP_RIGHT, (struct list){0}); $$ = $1; }
         | onmod "group_right" "(" ")"
             { build_group($1, CARD_GROUP_RIGHT, (struct list){0}); $$ = $1; }
         | onmod "group_right" "(" names ")" { build_group($1, CARD_GROUP_RIGHT, $4); $$ = $1; } ;
names    : IDENTIFIER { $$ = (struct list){0}; TRY(build_name_add(p, &$$, $1)); }
         | names "," IDENTIFIER { $$ = $1; TRY(build_name_add(p, &$$, $3)); } ;
grp      : "by" "(" names ")" { TRY(build_grouping(p, GROUPING_BY, $3, &$$)); }
         | "without" "(" names ")" { TRY(build_grouping(p, GROUPING_WITHOUT, $3, &$$)); }
         | "by" "(" ")" { TRY(build_grouping(p, GROUPING_BY, (struct list){0}, &$$)); }
         | "without" "(" ")"
             { TRY(build_grouping(p, GROUPING_WITHOUT, (struct list){0}, &$$)); } ;
vop      : SUM { $$ = VECTOR_OP_SUM; }
         | AVG { $$ = VECTOR_OP_AVG; }
         | COUNT { $$ = VECTOR_OP_COUNT; }
         | MAX { $$ = VECTOR_OP_MAX; }
         | MIN { $$ = VECTOR_OP_MIN; }
         | STDDEV { $$ = VECTOR_OP_STDDEV; }
         | STDVAR { $$ = VECTOR_OP_STDVAR; }
         | BOTTOMK { $$ = VECTOR_OP_BOTTOMK; }
         | TOPK { $$ = VECTOR_OP_TOPK; }
         | SORT { $$ = VECTOR_OP_SORT; }
         | SORT_DESC { $$ = VECTOR_OP_SORT_DESC; }
         | APPROX_TOPK { $$ = VECTOR_OP_APPROX_TOPK; } ;
rop      : COUNT_OVER_TIME { $$ = RANGE_OP_COUNT_OVER_TIME; }
         | RATE { $$ = RANGE_OP_RATE; }
         | RATE_COUNTER { $$ = RANGE_OP_RATE_COUNTER; }
         | BYTES_OVER_TIME { $$ = RANGE_OP_BYTES_OVER_TIME; }
         | BYTES_RATE { $$ = RANGE_OP_BYTES_RATE; }
         | AVG_OVER_TIME { $$ = RANGE_OP_AVG_OVER_TIME; }
         | SUM_OVER_TIME { $$ = RANGE_OP_SUM_OVER_TIME; }
         | MIN_OVER_TIME { $$ = RANGE_OP_MIN_OVER_TIME; }
         | MAX_OVER_TIME { $$ = RANGE_OP_MAX_OVER_TIME; }
         | STDVAR_OVER_TIME { $$ = RANGE_OP_STDVAR_OVER_TIME; }
         | STDDEV_OVER_TIME { $$ = RANGE_OP_STDDEV_OVER_TIME; }
         | QUANTILE_OVER_TIME { $$ = RANGE_OP_QUANTILE_OVER_TIME; }
         | FIRST_OVER_TIME { $$ = RANGE_OP_FIRST_OVER_TIME; }
         | LAST_OVER_TIME { $$ = RANGE_OP_LAST_OVER_TIME; }
         | ABSENT_OVER_TIME { $$ = RANGE_OP_ABSENT_OVER_TIME; } ;
%%

static int grammar_lex(union grammar_value *value, struct parser *p)
{
    int kind = parser_read(p);

    switch (kind) {
    case TOKEN_BYTES:
        value->bytes = p->token.bytes;
        break;
    case TOKEN_DURATION:
    case TOKEN_RANGE:
        value->duration_ns = p->token.duration_ns;
        break;
    default:
        value->text = p->token.text;
        break;
    }
    return kind;
}

/* Bison calls this when its stack cannot grow; syntax errors go to yyreport_syntax_error(). */
static void grammar_error(struct parser *p, const char *text)
{
    (void)text;
    if (p->first.ptr == NULL && p->status == ST_OK)
        p->status = err_set(&p->failure, ST_NOMEM, "no memory to parse the query");
}

static const char *symbol_text(yysymbol_kind_t symbol)
{
    return symbol == YYSYMBOL_YYEOF ? "$end" : yysymbol_name(symbol);
}

static int yyreport_syntax_error(const yypcontext_t *context, struct parser *p)
{
    yysymbol_kind_t expected[YYNTOKENS];
    const char *names[YYNTOKENS];
    size_t name_count = 0;
    const yy_state_t *bottom = context->yyssp;
    struct recovery r;

    int count = yypcontext_expected_tokens(context, expected, YYNTOKENS);
    for (int i = 0; i < count; i++) {
        if (expected[i] != YYSYMBOL_YYEOF)
            names[name_count++] = symbol_text(expected[i]);
    }
    parser_report(p, symbol_text(yypcontext_token(context)), names, name_count);

    while (*bottom != 0) /* only the first state is 0 */
        bottom--;
    recovery_init(&r, p);
    for (; bottom <= context->yyssp; bottom++)
        recovery_push(&r, *bottom);
    recovery_run(&r);
    return 2; /* and no further: Bison's own recovery is not the reference's */
}

/* ---- the tables, for recovery.c ---- */

static struct grammar_step reduce_by_default(int state)
{
    int rule = yydefact[state];

    return (struct grammar_step){rule == 0 ? MOVE_ERROR : MOVE_REDUCE, rule};
}

struct grammar_step grammar_action(int state, int kind)
{
    int at = yypact[state];

    if (state == YYFINAL)
        return (struct grammar_step){MOVE_ACCEPT, 0};
    if (yypact_value_is_default(at))
        return reduce_by_default(state);
    if (kind == GRAMMAR_NONE)
        return (struct grammar_step){MOVE_READ, 0};

    int symbol = kind == GRAMMAR_ERROR ? YYSYMBOL_YYerror : YYTRANSLATE(kind);
    at += symbol;
    if (at < 0 || at > YYLAST || yycheck[at] != symbol)
        return reduce_by_default(state);
    int action = yytable[at];
    if (action > 0)
        return (struct grammar_step){MOVE_SHIFT, action};
    if (yytable_value_is_error(action))
        return (struct grammar_step){MOVE_ERROR, 0};
    return (struct grammar_step){MOVE_REDUCE, -action};
}

int grammar_goto(int state, int rule)
{
    int left = yyr1[rule] - YYNTOKENS;
    int at = yypgoto[left] + state;

    return at >= 0 && at <= YYLAST && yycheck[at] == state ? yytable[at] : yydefgoto[left];
}

struct grammar_rule grammar_rule(int rule)
{
    struct grammar_rule r = {yyr2[rule], CHECK_NONE};

    switch (yyr1[rule]) {
    case YYSYMBOL_match:
        r.check = CHECK_MATCH;
        break;
    case YYSYMBOL_lit:
        r.check = CHECK_LITERAL;
        break;
    case YYSYMBOL_numf:
        r.check = CHECK_NUMBER;
        break;
    case YYSYMBOL_parser:
        r.check = CHECK_STAGE;
        break;
    default:
        break;
    }
    return r;
}
