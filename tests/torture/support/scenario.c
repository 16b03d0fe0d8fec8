#include "tests/torture/support/scenario.h"

#include "base/time.h"
#include "tests/support/random.h"

#include "base/banned.h"

enum {
    ARENA_BYTES_MAX = 64 * 1024 * 1024,
    PUSHES = 64, /* of the scenario */
    REBUILD_PUSHES = 24,
    LATER = 12, /* pushes to a store that came back */
    ENTRIES_MAX = 12,
    LINE_BYTES = 120,
    LONG_LINE_BYTES = 3000,
};

const struct str scenario_tenants[SCENARIO_TENANTS] = {STR_INIT("alpha"), STR_INIT("beta")};

/* Floors, one after the other: in the middle of a day, so that it goes in part. */
static const int64_t floors[] = {
    SCENARIO_START_NS - 2 * DAY_NS, /* at first */
    SCENARIO_START_NS + DAY_NS + 6 * HOUR_NS,
    SCENARIO_START_NS + 2 * DAY_NS + 2 * HOUR_NS,
    SCENARIO_START_NS + 3 * DAY_NS + HOUR_NS,
};

/* The steps as they are made. */
struct maker {
    struct scenario *sc;
    struct random random;
    size_t age; /* the floor as it is */
};

static struct step *add_step(struct maker *m, enum step_kind kind)
{
    ASSERT(m->sc->step_count < SCENARIO_STEPS_MAX);
    struct step *s = &m->sc->steps[m->sc->step_count++];
    *s = (struct step){.kind = kind, .waits = true};
    return s;
}

/*
 * The last stream loses all it has with the first days, and comes again at the end. A few entries
 * lie beside a floor: their numbers keep them apart. None is at a whole hour, where a query for
 * lines may leave out the last one of a stream (docs/api.md).
 */
static int64_t make_time(struct maker *m, unsigned stream, const struct scenario_entry *before)
{
    struct random *r = &m->random;

    if (stream == SCENARIO_STREAMS - 1)
        return SCENARIO_START_NS + (m->age < 2 ? 0 : (SCENARIO_DAYS - 1) * DAY_NS) +
               (int64_t)m->sc->entry_count * SECOND_NS + 7;
    if (random_below(r, 10) == 0) {
        int64_t number = (int64_t)m->sc->entry_count;
        return floors[1 + random_below(r, COUNT_OF(floors) - 1)] +
               (number % 2 == 0 ? number + 1 : -number);
    }

    if (before != NULL && !before->again && random_below(r, 6) == 0)
        return before->ts_ns;
    if (before != NULL && random_below(r, 3) != 0)
        return before->ts_ns + 1 + (int64_t)random_below(r, 1000) * 1000003;
    int64_t day_ns = (int64_t)random_below(r, SCENARIO_DAYS) * DAY_NS;
    return SCENARIO_START_NS + day_ns + 7 + (int64_t)random_below(r, 86000) * SECOND_NS;
}

static uint32_t new_entry(struct maker *m, const struct step *s, struct scenario_entry *before)
{
    struct scenario *sc = m->sc;
    struct random *r = &m->random;
    unsigned stream = (unsigned)random_below(r, SCENARIO_STREAMS - (m->age == 1 ? 1 : 0));
    size_t longest = random_below(r, 12) == 0 ? LONG_LINE_BYTES : LINE_BYTES;
    size_t bytes = 1 + random_below(r, longest);
    char *letters = arena_bytes(&sc->arena, bytes);

    ASSERT(letters != NULL);
    random_letters(r, letters, bytes);
    int64_t ts_ns = make_time(m, stream, before);
    uint32_t number = (uint32_t)sc->entry_count++;
    sc->entries[number] = (struct scenario_entry){
        .tenant = s->tenant,
        .stream = stream,
        .ts_ns = ts_ns,
        .line = arena_printf(&sc->arena, "e%u %.*s", number, (int)bytes, letters),
        .metadata = random_below(r, 4) == 0 && !s->protobuf,
    };
    if (before != NULL && before->ts_ns == sc->entries[number].ts_ns) {
        sc->entries[number].stream = before->stream;
        sc->entries[number].twin = before->twin = true;
    }
    return number;
}

/* An entry that was pushed before, of this tenant; the number of entries: there is none. */
static uint32_t old_entry(struct maker *m, unsigned tenant)
{
    size_t count = m->sc->entry_count;
    uint32_t number = count == 0 ? 0 : (uint32_t)random_below(&m->random, count);

    if (count == 0 || m->sc->entries[number].tenant != tenant || m->sc->entries[number].twin)
        return (uint32_t)count;
    m->sc->entries[number].again = true;
    return number;
}

static void add_push(struct maker *m)
{
    struct scenario *sc = m->sc;
    struct step *s = add_step(m, STEP_PUSH);
    size_t count = 1 + random_below(&m->random, ENTRIES_MAX);
    uint32_t *numbers = arena_new(&sc->arena, uint32_t, count);
    struct scenario_entry *before = NULL;

    ASSERT(numbers != NULL);
    s->tenant = (unsigned)random_below(&m->random, SCENARIO_TENANTS);
    s->waits = random_below(&m->random, 4) != 0;
    s->protobuf = random_below(&m->random, 2) == 0;
    s->entries = numbers;
    s->count = count;
    for (size_t i = 0; i < count; i++) {
        uint32_t again =
            random_below(&m->random, 8) == 0 ? old_entry(m, s->tenant) : (uint32_t)sc->entry_count;
        numbers[i] = again < sc->entry_count ? again : new_entry(m, s, before);
        before = &sc->entries[numbers[i]];
    }
}

static void add_delete(struct maker *m)
{
    struct step *s = add_step(m, STEP_DELETE);

    s->tenant = (unsigned)random_below(&m->random, SCENARIO_TENANTS);
    s->stream = (unsigned)random_below(&m->random, SCENARIO_STREAMS);
    s->day = (unsigned)random_below(&m->random, SCENARIO_DAYS);
    s->letter = (char)('a' + random_below(&m->random, 26));
}

bool step_deletes(const struct step *s, const struct scenario_entry *e)
{
    int64_t begin_ns = SCENARIO_START_NS + s->day * DAY_NS;

    return e->tenant == s->tenant && e->stream == s->stream && e->ts_ns >= begin_ns &&
           e->ts_ns < begin_ns + DAY_NS && memchr(e->line.ptr, s->letter, e->line.len) != NULL;
}

static void add_age(struct maker *m)
{
    struct step *s = add_step(m, STEP_AGE);

    m->age++;
    ASSERT(m->age < COUNT_OF(floors));
    s->floor_ns = floors[m->age];
    s->waits = random_below(&m->random, 2) == 0;
}

static void add_pushes(struct maker *m, size_t pushes)
{
    for (size_t i = 1; i <= pushes; i++) {
        add_push(m);
        if (random_below(&m->random, 4) == 0)
            (void)add_step(m, STEP_FLUSH);
        if (i % 7 == 0)
            add_delete(m);
        if (i == 18 || i == 44)
            add_age(m);
        if (i % 20 == 0)
            (void)add_step(m, STEP_MERGE);
        if (i % 27 == 0)
            (void)add_step(m, STEP_REOPEN);
        if (m->sc->kind == SCENARIO_REBUILD && i % 11 == 0)
            (void)add_step(m, STEP_DAMAGE);
    }
    (void)add_step(m, STEP_FLUSH);
}

void scenario_make(struct scenario *sc, enum scenario_kind kind, uint64_t seed)
{
    struct maker m = {.sc = sc, .random = random_of(seed)};

    *sc = (struct scenario){.kind = kind};
    arena_init(&sc->arena, ARENA_BYTES_MAX);
    sc->entries =
        arena_new(&sc->arena, struct scenario_entry, (size_t)(PUSHES + LATER + 1) * ENTRIES_MAX);
    sc->steps = arena_new(&sc->arena, struct step, SCENARIO_STEPS_MAX);
    ASSERT(sc->entries != NULL && sc->steps != NULL);
    add_pushes(&m, kind == SCENARIO_REBUILD ? REBUILD_PUSHES : PUSHES);
    (void)add_step(&m, STEP_MERGE);
    sc->later = sc->step_count;
    add_push(&m);
    add_age(&m);
    add_pushes(&m, LATER);
}

void scenario_release(struct scenario *sc)
{
    arena_release(&sc->arena);
}

int64_t ledger_floor_ns(struct ledger *l, const struct scenario *sc)
{
    int64_t floor_ns = floors[0];

    for (size_t i = 0; i < sc->step_count; i++) {
        if (sc->steps[i].kind == STEP_AGE && counter_get(&l->states[i]) != STEP_NOT_SENT)
            floor_ns = sc->steps[i].floor_ns;
    }
    return floor_ns;
}

static bool is_kept(const struct scenario_entry *e, int64_t floor_ns)
{
    if (e->stream == SCENARIO_SHORT)
        floor_ns += SCENARIO_RETENTION_NS - SCENARIO_RETENTION_SHORT_NS;
    return e->ts_ns >= floor_ns;
}

void ledger_presence(struct ledger *l, const struct scenario *sc, uint8_t *ret_presence)
{
    int64_t floor_ns = ledger_floor_ns(l, sc);

    memset(ret_presence, PRESENCE_NONE, sc->entry_count);
    for (size_t i = 0; i < sc->step_count; i++) {
        const struct step *s = &sc->steps[i];
        uint64_t state = counter_get(&l->states[i]);
        for (size_t k = 0; s->kind == STEP_DELETE && k < sc->entry_count; k++) {
            if (state != STEP_NOT_SENT && ret_presence[k] == PRESENCE_MUST &&
                step_deletes(s, &sc->entries[k]))
                ret_presence[k] = state == STEP_ACKED ? PRESENCE_NONE : PRESENCE_EITHER;
        }
        if (s->kind != STEP_PUSH || state == STEP_NOT_SENT)
            continue;
        uint8_t presence = state == STEP_ACKED ? PRESENCE_MUST : PRESENCE_EITHER;
        for (size_t k = 0; k < s->count; k++)
            ret_presence[s->entries[k]] = MAX_OF(ret_presence[s->entries[k]], presence);
    }
    for (size_t k = 0; k < sc->entry_count; k++) {
        if (!is_kept(&sc->entries[k], floor_ns))
            ret_presence[k] = PRESENCE_NONE;
    }
}
