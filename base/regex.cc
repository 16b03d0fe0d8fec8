#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>
#include <new>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <re2/filtered_re2.h>
#include <re2/re2.h>

extern "C" {
#include "base/regex.h"
#include "base/utf8.h"
}

namespace
{

/*
 * What one expression may use, program and caches of states together, follows from its size: RE2
 * fills its caches up to whatever it is given, and a query may have thousands of small ones.
 */
constexpr int64_t kMemoryBytesMax = 8 << 20;
constexpr int64_t kMemoryBytesMin = 256 << 10;
constexpr int64_t kMemoryBytesEach = 4096; /* for an instruction */
constexpr size_t kWorkBytesEach = 256;     /* likewise: regex_work_bytes() */
constexpr size_t kGroupsMax = 256;
constexpr size_t kNeedsPatternMax = 4096; /* of larger ones it is not asked what they need, */
constexpr int kNeedsProgramMax = 500;     /* for they are compiled once more for that */
constexpr size_t kNeedsBytesEach = 512;   /* regex_needs_bytes(); 200 of memory were measured */
constexpr int kNeedBytesMin = 2;          /* of an atom */
constexpr size_t kNeedAtomsMax = 64;
constexpr size_t kNeedSetMax = 16; /* looking for more texts costs more than matching */

/* Go's text for each of RE2's errors; the offending piece follows in backquotes. */
const char *go_text(RE2::ErrorCode code)
{
    switch (code) {
    case RE2::ErrorBadEscape:
        return "invalid escape sequence";
    case RE2::ErrorBadCharClass:
    case RE2::ErrorBadCharRange:
        return "invalid character class range";
    case RE2::ErrorMissingBracket:
        return "missing closing ]";
    case RE2::ErrorMissingParen:
        return "missing closing )";
    case RE2::ErrorUnexpectedParen:
        return "unexpected )";
    case RE2::ErrorTrailingBackslash:
        return "trailing backslash at end of expression";
    case RE2::ErrorRepeatArgument:
        return "missing argument to repetition operator";
    case RE2::ErrorRepeatSize:
        return "invalid repeat count";
    case RE2::ErrorRepeatOp:
        return "invalid nested repetition operator";
    case RE2::ErrorBadPerlOp:
        return "invalid or unsupported Perl syntax";
    case RE2::ErrorBadUTF8:
        return "invalid UTF-8";
    case RE2::ErrorBadNamedCapture:
        return "invalid named capture";
    case RE2::ErrorPatternTooLarge:
        return "expression too large";
    default:
        return "internal error";
    }
}

/* A pattern of Go in the words of RE2. */
struct translation {
    std::string re2;
    size_t groups = 0;
    std::set<std::string> names;
    std::vector<std::pair<size_t, std::string>> again; /* groups whose name another one has */
    std::string refused; /* an opening of a group that Go does not take: the end of `re2` */
};

/* What stands for a refused opening: RE2 refuses it too, and no pattern that gets there has it. */
constexpr char kBadName[] = "(?P<->";
constexpr char kBadFlag[] = "(?\x01";

/* The name of the group that begins at `go[at]` with `(?P<` or `(?<`; empty if it is none. */
std::string group_name(const std::string &go, size_t at)
{
    size_t begin = at + (go.compare(at, 4, "(?P<") == 0 ? 4 : 3);
    size_t end = go.find('>', begin);

    if (go.compare(at, 4, "(?P<") != 0 && go.compare(at, 3, "(?<") != 0)
        return "";
    for (size_t i = begin; i < end && end != std::string::npos; i++) {
        unsigned char c = static_cast<unsigned char>(go[i]);
        if (!(c == '_' || (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z')))
            return "";
    }
    return end == std::string::npos ? "" : go.substr(begin, end - begin);
}

/*
 * Whether Go refuses what begins at `go[at]` as a named group, or for looking like one. RE2 has
 * other opinions on what is a name, and on `(?<=`, which to Go is the beginning of one.
 */
bool refuse_group(const std::string &go, size_t at, translation *t)
{
    size_t left = go.size() - at;
    bool is_named =
        (left > 4 && go.compare(at, 4, "(?P<") == 0) || (left > 3 && go.compare(at, 3, "(?<") == 0);
    bool is_flag = go.compare(at, 3, "(?P") == 0 || go.compare(at, 3, "(?<") == 0;

    if (is_named ? !group_name(go, at).empty() : !is_flag)
        return false;
    size_t end = is_named ? go.find('>', at) : at + 2;
    t->refused = go.substr(at, end == std::string::npos ? end : end + 1 - at);
    t->re2.append(is_named ? kBadName : kBadFlag);
    return true;
}

/*
 * Translate the opening parenthesis at `go[at]`; returns the offset of the last character of it
 * that is done with. Go writes a named group in two ways, and lets several have one name; this RE2
 * knows one way, and wants each name once: later ones become groups without a name.
 */
size_t open_group(const std::string &go, size_t at, translation *t)
{
    bool is_short = go.compare(at, 3, "(?<") == 0;
    std::string name = group_name(go, at);

    t->re2.push_back('(');
    if (go.compare(at, 2, "(?") != 0 || !name.empty())
        t->groups++;
    if (!name.empty() && !t->names.insert(name).second) {
        t->again.emplace_back(t->groups, name);
        return go.find('>', at);
    }
    if (!is_short)
        return at;
    t->re2.append("?P<");
    return at + 2;
}

/* False for `\C`, which Go does not have. */
bool translate(const std::string &go, translation *t)
{
    bool in_class = false, in_quote = false;

    for (size_t i = 0; i < go.size(); i++) {
        char c = go[i];
        char next = i + 1 < go.size() ? go[i + 1] : '\0';
        if (c == '(' && !in_class && !in_quote) {
            if (refuse_group(go, i, t))
                return true;
            i = open_group(go, i, t);
            continue;
        }
        t->re2.push_back(c);
        if (in_quote) { /* only \E ends it; a backslash before another character is itself */
            in_quote = c != '\\' || next != 'E';
            continue;
        }
        if (c == '\\') {
            if (next == 'C')
                return false;
            in_quote = next == 'Q' && !in_class;
            if (i + 1 < go.size())
                t->re2.push_back(go[++i]);
        } else if (c == '[' && !in_class) {
            in_class = true;
            if (next == '^') {
                t->re2.push_back(next);
                i++;
            }
            if (i + 1 < go.size() && go[i + 1] == ']')
                t->re2.push_back(go[++i]);
        } else if (c == '[' && next == ':') {
            size_t end = go.find(":]", i + 2);
            if (end != std::string::npos) {
                t->re2.append(go, i + 1, end + 1 - i);
                i = end + 1;
            }
        } else if (c == ']') {
            in_class = false;
        }
    }
    return true;
}

re2::StringPiece piece(struct str s)
{
    return re2::StringPiece(s.ptr == nullptr ? "" : s.ptr, s.len);
}

/* Length of the valid UTF-8 sequence at the start of `p`, 0 if there is none. */
size_t sequence(const unsigned char *p, size_t left)
{
    if (p[0] < 0x80)
        return 1;
    size_t len = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4 || left < len)
        return 0;
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    }
    bool bad = (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
               (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f);
    return bad ? 0 : len;
}

/* How many bytes at the start of `text` are valid UTF-8. */
size_t valid_bytes(struct str text)
{
    const auto *p = reinterpret_cast<const unsigned char *>(text.ptr);
    size_t good = 0;

    while (good < text.len) {
        size_t len = sequence(p + good, text.len - good);
        if (len == 0)
            break;
        good += len;
    }
    return good;
}

/* The piece of the pattern, as it was written, that RE2 complains about. */
std::string go_fragment(const RE2 &re, const std::string &go, const translation &t)
{
    std::string fragment = re.error_arg();

    if (re.error_code() == RE2::ErrorBadUTF8)
        return go.substr(valid_bytes(str_make(go.data(), go.size())));
    if (!t.refused.empty() && (fragment == kBadName || fragment == kBadFlag))
        return t.refused;
    return fragment == re.pattern() ? go : fragment;
}

/*
 * If `text` is not valid UTF-8: a copy with U+FFFD for each invalid byte, and for each byte of the
 * copy where in `text` it came from. Returns false when it is valid.
 */
bool sanitize(struct str text, std::string *copy, std::vector<size_t> *origin)
{
    const auto *p = reinterpret_cast<const unsigned char *>(text.ptr);

    if (utf8_valid(text))
        return false;
    for (size_t i = 0; i < text.len;) {
        size_t len = sequence(p + i, text.len - i);
        if (len == 0)
            copy->append("\xef\xbf\xbd");
        else
            copy->append(text.ptr + i, len);
        origin->resize(copy->size(), i);
        i += len == 0 ? 1 : len;
    }
    origin->push_back(text.len);
    return true;
}

bool find(const RE2 &re, re2::StringPiece text, re2::StringPiece *groups, int count,
          size_t from = 0)
{
    return re.Match(text, from, text.size(), RE2::UNANCHORED, groups, count);
}

/* A text to match in, and the way back from its bytes to those it was made of. */
struct subject {
    struct str text;
    std::string copy; /* used if something was not UTF-8 */
    std::vector<size_t> origin;
    bool copied;

    explicit subject(struct str t) : text(t), copied(sanitize(t, &copy, &origin))
    {
    }

    re2::StringPiece bytes() const
    {
        return copied ? re2::StringPiece(copy) : re2::StringPiece(text.ptr, text.len);
    }

    struct str original(re2::StringPiece found) const
    {
        if (found.data() == nullptr)
            return str_make(nullptr, 0);
        if (!copied)
            return str_make(found.data(), found.size());
        size_t begin = static_cast<size_t>(found.data() - copy.data());
        size_t end = begin + found.size();
        return str_make(text.ptr + origin[begin], origin[end] - origin[begin]);
    }
};

RE2::Options options_of(int64_t memory_max)
{
    RE2::Options options;

    options.set_log_errors(false);
    options.set_max_mem(memory_max);
    return options;
}

/*
 * The letters that RE2 may have made of something else when it says in lower case what an
 * expression needs: without case, k matches the sign for Kelvin and s the long s, which become k
 * and s. Where code points are named, there may be a capital I with a dot too.
 */
std::string doubtful_letters(const std::string &pattern)
{
    std::string letters;

    for (size_t i = 0; i < pattern.size(); i++) {
        char c = pattern[i];
        if (static_cast<unsigned char>(c) >= 0x80)
            return "iks";
        if (c == '\\' && i + 1 < pattern.size()) {
            c = pattern[++i];
            if (c == 'x' || c == 'p' || c == 'P' || (c >= '0' && c <= '9'))
                return "iks";
        } else if (pattern.compare(i, 2, "(?") == 0 && pattern.compare(i, 3, "(?P") != 0) {
            size_t end = pattern.find_first_of(":)", i);
            if (pattern.find('i', i) < end)
                letters = "ks";
        }
    }
    return letters;
}

/*
 * What must be in a text that an expression matches: RE2 says it as an expression of atoms with
 * "and" and "or". Of an atom only pieces can be asked for: those whose letters are beyond doubt.
 */
struct needs {
    re2::FilteredRE2 tree{kNeedBytesMin};
    std::vector<std::vector<std::string>> atoms;
    std::vector<std::vector<std::string>> sets; /* of each one text is needed */
    bool known = false;

    explicit needs(const RE2 &re)
    {
        std::vector<std::string> texts;
        std::string letters = doubtful_letters(re.pattern());
        int id;

        if (!may_be_found(re) || tree.Add(re.pattern(), re.options(), &id) != RE2::NoError)
            return;
        tree.Compile(&texts);
        for (const std::string &text : texts)
            atoms.push_back(pieces(text, letters));
        known = true;
        if (atoms.size() <= kNeedAtomsMax)
            find_sets();
    }

    static bool may_be_found(const RE2 &re)
    {
        return re.pattern().size() <= kNeedsPatternMax && re.ProgramSize() <= kNeedsProgramMax;
    }

    static std::vector<std::string> pieces(const std::string &text, const std::string &letters)
    {
        std::vector<std::string> all(1);

        for (char c : text) {
            if (static_cast<unsigned char>(c) >= 0x80 || letters.find(c) != std::string::npos)
                all.emplace_back();
            else
                all.back().push_back(c);
        }
        return all;
    }

    bool may_be_met(regex_probe_fn *may_contain, void *context) const
    {
        std::vector<int> there;

        for (size_t i = 0; i < atoms.size(); i++) {
            bool all = std::all_of(atoms[i].begin(), atoms[i].end(), [&](const std::string &s) {
                return may_contain(context, str_make(s.data(), s.size()));
            });
            if (all)
                there.push_back(static_cast<int>(i));
        }
        return allows(there);
    }

  private:
    bool allows(const std::vector<int> &there) const
    {
        std::vector<int> matching;

        tree.AllPotentials(there, &matching);
        return !matching.empty();
    }

    bool allows_without(const std::vector<bool> &missing) const
    {
        std::vector<int> there;

        for (size_t i = 0; i < atoms.size(); i++) {
            if (!missing[i])
                there.push_back(static_cast<int>(i));
        }
        return allows(there);
    }

    const std::string &longest_piece(size_t atom) const
    {
        return *std::max_element(
            atoms[atom].begin(), atoms[atom].end(),
            [](const std::string &a, const std::string &b) { return a.size() < b.size(); });
    }

    /*
     * Each atom without which there is no match is a set of its own. Where there is none, it is as
     * few atoms as possible that cannot all be missing; short ones, which are common, go first.
     */
    void find_sets()
    {
        std::vector<size_t> usable;
        std::vector<bool> missing(atoms.size());

        for (size_t i = 0; i < atoms.size(); i++) {
            if (longest_piece(i).size() >= kNeedBytesMin)
                usable.push_back(i);
        }
        for (size_t i : usable) {
            missing[i] = true;
            if (!allows_without(missing))
                sets.push_back({longest_piece(i)});
            missing[i] = false;
        }
        std::stable_sort(sets.begin(), sets.end(),
                         [](const auto &a, const auto &b) { return a[0].size() > b[0].size(); });
        for (size_t i : usable)
            missing[i] = true;
        if (!sets.empty() || allows_without(missing))
            return;
        std::sort(usable.begin(), usable.end(), [&](size_t a, size_t b) {
            const std::string &x = longest_piece(a), &y = longest_piece(b);
            return x.size() != y.size() ? x.size() < y.size() : x < y;
        });
        sets.emplace_back();
        for (size_t i : usable) {
            missing[i] = false;
            if (!allows_without(missing))
                continue;
            missing[i] = true;
            sets[0].push_back(longest_piece(i));
        }
        if (sets[0].size() > kNeedSetMax)
            sets.clear();
    }
};

} // namespace

struct regex {
    RE2 re;
    int64_t memory_max;             /* of `re` */
    std::vector<std::string> names; /* of the groups, from 1 */
    mutable std::once_flag needs_found;
    mutable std::unique_ptr<const needs> needed; /* found when it is asked for */

    regex(const std::string &pattern, const RE2::Options &options)
        : re(pattern, options), memory_max(options.max_mem())
    {
        if (!re.ok())
            return;
        names.resize(static_cast<size_t>(re.NumberOfCapturingGroups()) + 1);
        for (const auto &group : re.CapturingGroupNames())
            names[static_cast<size_t>(group.first)] = group.second;
    }
};

namespace
{

/* Throws when there is no memory. */
const needs &needs_of(const struct regex *re)
{
    std::call_once(re->needs_found, [re] { re->needed = std::make_unique<const needs>(re->re); });
    return *re->needed;
}

} // namespace

extern "C" enum status regex_compile(struct str pattern, struct regex **ret_re, struct err *err)
try {
    std::string go(pattern.ptr == nullptr ? "" : pattern.ptr, pattern.len);
    translation t;

    if (!translate(go, &t))
        return err_set(err, ST_INVALID, "error parsing regexp: invalid escape sequence: `\\C`");

    auto re = std::make_unique<struct regex>(t.re2, options_of(kMemoryBytesMax));
    if (!re->re.ok())
        return err_set(err, ST_INVALID, "error parsing regexp: %s: `%s`",
                       go_text(re->re.error_code()), go_fragment(re->re, go, t).c_str());
    if (!utf8_valid(pattern)) /* RE2 takes surrogates */
        return err_set(err, ST_INVALID, "error parsing regexp: invalid UTF-8: `%s`", go.c_str());
    int64_t enough = std::max(kMemoryBytesMin, kMemoryBytesEach * re->re.ProgramSize());
    if (enough < kMemoryBytesMax) {
        auto small = std::make_unique<struct regex>(t.re2, options_of(enough));
        if (small->re.ok())
            re = std::move(small);
    }
    for (const auto &group : t.again) {
        if (group.first < re->names.size())
            re->names[group.first] = group.second;
    }
    *ret_re = re.release();
    return ST_OK;
} catch (const std::bad_alloc &) {
    return err_set(err, ST_NOMEM, "no memory for a regular expression");
}

extern "C" void regex_free(struct regex *re)
{
    delete re;
}

namespace
{

void free_object(void *re)
{
    regex_free(static_cast<struct regex *>(re));
}

} // namespace

extern "C" size_t regex_program_size(const struct regex *re)
{
    return static_cast<size_t>(re->re.ProgramSize());
}

extern "C" size_t regex_work_bytes(const struct regex *re)
{
    return kWorkBytesEach * regex_program_size(re);
}

extern "C" enum status regex_compile_in(struct arena *a, struct str pattern,
                                        const struct regex **ret_re, struct err *err)
{
    struct regex *re = nullptr;
    enum status st = regex_compile(pattern, &re, err);

    if (st != ST_OK)
        return st;
    if (!arena_charge(a, static_cast<size_t>(re->memory_max) + regex_work_bytes(re)) ||
        !arena_on_release(a, free_object, re)) {
        regex_free(re);
        return arena_status(a, err);
    }
    *ret_re = re;
    return ST_OK;
}

namespace
{

std::atomic<uint64_t> search_failures;

bool note_search_failure()
{
    search_failures.fetch_add(1, std::memory_order_relaxed);
    return false;
}

} // namespace

extern "C" uint64_t regex_search_failures(void)
{
    return search_failures.load(std::memory_order_relaxed);
}

extern "C" bool regex_search(const struct regex *re, struct str text)
try {
    std::string copy;
    std::vector<size_t> origin;

    return find(re->re, piece(text), nullptr, 0) ||
           (sanitize(text, &copy, &origin) && find(re->re, copy, nullptr, 0));
} catch (const std::bad_alloc &) {
    return note_search_failure();
}

extern "C" bool regex_may_match(const struct regex *re, regex_probe_fn *may_contain, void *context)
try {
    const needs &needed = needs_of(re);

    return !needed.known || needed.may_be_met(may_contain, context);
} catch (const std::bad_alloc &) {
    return true;
}

extern "C" size_t regex_need_count(const struct regex *re)
try {
    return needs_of(re).sets.size();
} catch (const std::bad_alloc &) {
    return 0;
}

extern "C" size_t regex_needs_bytes(const struct regex *re)
{
    return needs::may_be_found(re->re) ? kNeedsBytesEach * regex_program_size(re) : 0;
}

extern "C" size_t regex_need_size(const struct regex *re, size_t set)
{
    return re->needed->sets[set].size();
}

extern "C" struct str regex_need(const struct regex *re, size_t set, size_t i)
{
    const std::string &text = re->needed->sets[set][i];

    return str_make(text.data(), text.size());
}

extern "C" size_t regex_group_count(const struct regex *re)
{
    return re->names.size() - 1;
}

extern "C" struct str regex_group_name(const struct regex *re, size_t i)
{
    const std::string &name = re->names[i];

    return str_make(name.data(), name.size());
}

/*
 * A hit in the bytes as they are is a hit, and enough for regex_search(). But around invalid bytes
 * it need not be the leftmost one, nor as long as it should be: here they are replaced beforehand.
 */
extern "C" bool regex_match(const struct regex *re, struct str text, struct str *groups,
                            size_t count)
try {
    re2::StringPiece found[kGroupsMax];
    subject s(text);

    if (!find(re->re, s.bytes(), found, static_cast<int>(std::min(count, kGroupsMax))))
        return false;
    for (size_t i = 0; i < count; i++)
        groups[i] = i < kGroupsMax ? s.original(found[i]) : str_make(nullptr, 0);
    return true;
} catch (const std::bad_alloc &) {
    return note_search_failure();
}

extern "C" void regex_match_all(const struct regex *re, struct str text, size_t count,
                                regex_match_fn *found, void *context)
try {
    re2::StringPiece hits[kGroupsMax];
    struct str groups[kGroupsMax];
    size_t wanted = std::min(count, re->names.size()), at = 0;
    const char *last_end = nullptr;
    subject s(text);

    ASSERT(count > 0);
    wanted = std::min(wanted, kGroupsMax);
    std::fill(groups, groups + kGroupsMax, str_make(nullptr, 0));
    re2::StringPiece in = s.bytes();
    while (at <= in.size() && find(re->re, in, hits, static_cast<int>(wanted), at)) {
        bool again = hits[0].empty() && hits[0].data() == last_end;
        last_end = hits[0].data() + hits[0].size();
        for (size_t i = 0; i < wanted; i++)
            groups[i] = s.original(hits[i]);
        if (!again && !found(context, groups))
            return;
        size_t end = static_cast<size_t>(last_end - in.data());
        size_t step =
            at < in.size()
                ? sequence(reinterpret_cast<const unsigned char *>(in.data()) + at, in.size() - at)
                : 1;
        at = end == at ? at + step : end;
    }
} catch (const std::bad_alloc &) {
    (void)note_search_failure();
}
