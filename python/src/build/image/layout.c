/* The layout of the objects of this build of CPython, from its headers.
 *
 * The struct has the fields of `Layout` in image/src/layout.rs, in the same order. An offset of 0 means that this
 * version has no such field. */

#define NEED_OPCODE_METADATA /* 3.13 and later: _PyOpcode_Caches */
#define NEED_OPCODE_TABLES   /* 3.12 */

#include <Python.h>

#include <stddef.h>
#include <string.h>

#include <opcode.h>

#include "internal/pycore_code.h"
#include "internal/pycore_frame.h"
#include "internal/pycore_gc.h"
#include "internal/pycore_interp.h"
#include "internal/pycore_long.h"
#include "internal/pycore_runtime.h"
#if PY_VERSION_HEX >= 0x030D0000
#include "internal/pycore_backoff.h"
#include "internal/pycore_opcode_metadata.h"
#else
#include "internal/pycore_opcode.h"
#endif
#if PY_VERSION_HEX >= 0x030E0000
#include "internal/pycore_interpframe.h"
#include "internal/pycore_opcode_utils.h"
#endif

typedef struct {
    uint64_t head;
    int64_t literals;
    uint64_t literals_len;
    uint32_t size;
    uint32_t version;
    uint32_t is_debug;
    uint32_t watchers;
    uint32_t object_type;
    uint32_t object_size;
    uint32_t gc_head;
    uint32_t str_length;
    uint32_t str_hash;
    uint32_t str_state;
    uint32_t str_ascii;
    uint32_t str_other;
    uint32_t str_states[4];
    uint32_t bytes_hash;
    uint32_t bytes_data;
    uint32_t tuple_items;
    uint32_t tuple_hash;
    uint32_t int_tag;
    uint32_t int_digits;
    uint32_t int_shift;
    uint32_t int_tag_shift;
    uint32_t int_signs[2];
    uint32_t float_value;
    uint32_t float_size;
    uint32_t complex_value;
    uint32_t complex_size;
    uint32_t slice_items[3];
    uint32_t slice_size;
    uint32_t code_pointers[9];
    uint32_t code_numbers[13];
    uint32_t code_units;
    uint32_t frame_words;
    uint32_t kinds[3];
    uint32_t resume;
    uint32_t untraced_resume[2];
    uint32_t small_negative;
    uint32_t small_positive;
    uint8_t joins[8][4];
    uint8_t caches[256];
    uint16_t counters[256];
} PermacodeLayout;

/* A string with an immortal reference count must not be freed when the interpreter ends. From 3.13 on, the
 * interpreter makes interned strings mortal again at its end, except for those with the flag for static strings. In
 * 3.12 that flag selects another table of interned strings, and immortal strings stay immortal. */
#if PY_VERSION_HEX >= 0x030D0000
#define STATICALLY_ALLOCATED 1
#else
#define STATICALLY_ALLOCATED 0
#endif

static uint32_t state(unsigned int kind, unsigned int ascii) {
    PyASCIIObject string;
    uint32_t bits;
    memset(&string, 0, sizeof string);
    string.state.kind = kind;
    string.state.compact = 1;
    string.state.ascii = ascii;
    string.state.statically_allocated = STATICALLY_ALLOCATED;
    memcpy(&bits, &string.state, sizeof bits);
    return bits;
}

static void initial_counters(PermacodeLayout *out) {
    __typeof__(adaptive_counter_warmup()) warmup = adaptive_counter_warmup();
    for (int opcode = 0; opcode < 256; opcode++) {
        out->caches[opcode] = _PyOpcode_Caches[opcode];
        if (_PyOpcode_Caches[opcode] != 0)
            memcpy(&out->counters[opcode], &warmup, sizeof out->counters[opcode]);
    }
#if PY_VERSION_HEX >= 0x030F0000
    /* The interpreter's own thresholds. Environment variables can change them. The self-test fails then. */
    _PyOptimizationConfig thresholds = {
        .jump_backward_initial_value = JUMP_BACKWARD_INITIAL_VALUE,
        .jump_backward_initial_backoff = JUMP_BACKWARD_INITIAL_BACKOFF,
        .resume_initial_value = RESUME_INITIAL_VALUE,
        .resume_initial_backoff = RESUME_INITIAL_BACKOFF,
    };
    _Py_BackoffCounter jump = initial_jump_backoff_counter(&thresholds);
    _Py_BackoffCounter call = initial_resume_backoff_counter(&thresholds);
    memcpy(&out->counters[RESUME], &call, sizeof out->counters[RESUME]);
#elif PY_VERSION_HEX >= 0x030D0000
    _Py_BackoffCounter jump = initial_jump_backoff_counter();
#endif
#if PY_VERSION_HEX >= 0x030D0000
    memcpy(&out->counters[JUMP_BACKWARD], &jump, sizeof out->counters[JUMP_BACKWARD]);
    out->counters[POP_JUMP_IF_FALSE] = 0x5555;
    out->counters[POP_JUMP_IF_TRUE] = 0x5555;
    out->counters[POP_JUMP_IF_NONE] = 0x5555;
    out->counters[POP_JUMP_IF_NOT_NONE] = 0x5555;
#endif
}

#if PY_VERSION_HEX < 0x030D0000
static void join(PermacodeLayout *out, int index, int first, int second, int joined) {
    out->joins[index][0] = (uint8_t)first;
    out->joins[index][1] = (uint8_t)second;
    out->joins[index][2] = (uint8_t)joined;
}
#endif

void permacode_layout(PermacodeLayout *out) {
    memset(out, 0, sizeof *out);
#if PY_VERSION_HEX >= 0x030E0000
    out->head = (uint64_t)_Py_STATIC_IMMORTAL_INITIAL_REFCNT;
#else
    out->head = (uint64_t)_Py_IMMORTAL_REFCNT;
#endif
    const char *literals = (const char *)&_PyRuntime.static_objects.singletons.strings.literals;
    out->literals = literals - (const char *)&PyUnicode_Type;
    out->literals_len = sizeof _PyRuntime.static_objects.singletons.strings.literals;
    out->size = sizeof *out;
    out->version = PY_VERSION_HEX;
#ifdef Py_DEBUG
    out->is_debug = 1;
#endif
    out->watchers = offsetof(PyInterpreterState, active_code_watchers);
    out->object_type = offsetof(PyObject, ob_type);
    out->object_size = offsetof(PyVarObject, ob_size);
    out->gc_head = sizeof(PyGC_Head);
    out->str_length = offsetof(PyASCIIObject, length);
    out->str_hash = offsetof(PyASCIIObject, hash);
    out->str_state = offsetof(PyASCIIObject, state);
    out->str_ascii = sizeof(PyASCIIObject);
    out->str_other = sizeof(PyCompactUnicodeObject);
    out->str_states[0] = state(PyUnicode_1BYTE_KIND, 1);
    out->str_states[1] = state(PyUnicode_1BYTE_KIND, 0);
    out->str_states[2] = state(PyUnicode_2BYTE_KIND, 0);
    out->str_states[3] = state(PyUnicode_4BYTE_KIND, 0);
    out->bytes_hash = offsetof(PyBytesObject, ob_shash);
    out->bytes_data = offsetof(PyBytesObject, ob_sval);
    out->tuple_items = offsetof(PyTupleObject, ob_item);
#if PY_VERSION_HEX >= 0x030E0000
    out->tuple_hash = offsetof(PyTupleObject, ob_hash);
#endif
    out->int_tag = offsetof(PyLongObject, long_value.lv_tag);
    out->int_digits = offsetof(PyLongObject, long_value.ob_digit);
    out->int_shift = PyLong_SHIFT;
    out->int_tag_shift = NON_SIZE_BITS;
    out->int_signs[0] = SIGN_ZERO;
    out->int_signs[1] = SIGN_NEGATIVE;
    out->float_value = offsetof(PyFloatObject, ob_fval);
    out->float_size = sizeof(PyFloatObject);
    out->complex_value = offsetof(PyComplexObject, cval);
    out->complex_size = sizeof(PyComplexObject);
    out->slice_items[0] = offsetof(PySliceObject, start);
    out->slice_items[1] = offsetof(PySliceObject, stop);
    out->slice_items[2] = offsetof(PySliceObject, step);
    out->slice_size = sizeof(PySliceObject);
    uint32_t pointers[] = {
        offsetof(PyCodeObject, co_consts),
        offsetof(PyCodeObject, co_names),
        offsetof(PyCodeObject, co_exceptiontable),
        offsetof(PyCodeObject, co_localsplusnames),
        offsetof(PyCodeObject, co_localspluskinds),
        offsetof(PyCodeObject, co_filename),
        offsetof(PyCodeObject, co_name),
        offsetof(PyCodeObject, co_qualname),
        offsetof(PyCodeObject, co_linetable),
    };
    uint32_t numbers[] = {
        offsetof(PyCodeObject, co_flags),
        offsetof(PyCodeObject, co_argcount),
        offsetof(PyCodeObject, co_posonlyargcount),
        offsetof(PyCodeObject, co_kwonlyargcount),
        offsetof(PyCodeObject, co_stacksize),
        offsetof(PyCodeObject, co_firstlineno),
        offsetof(PyCodeObject, co_nlocalsplus),
        offsetof(PyCodeObject, co_framesize),
        offsetof(PyCodeObject, co_nlocals),
        offsetof(PyCodeObject, co_ncellvars),
        offsetof(PyCodeObject, co_nfreevars),
        offsetof(PyCodeObject, co_version),
        offsetof(PyCodeObject, _co_firsttraceable),
    };
    _Static_assert(sizeof pointers == sizeof out->code_pointers, "as many pointers as in layout.rs");
    _Static_assert(sizeof numbers == sizeof out->code_numbers, "as many numbers as in layout.rs");
    memcpy(out->code_pointers, pointers, sizeof pointers);
    memcpy(out->code_numbers, numbers, sizeof numbers);
    out->code_units = offsetof(PyCodeObject, co_code_adaptive);
    out->frame_words = FRAME_SPECIALS_SIZE;
    out->kinds[0] = CO_FAST_LOCAL;
    out->kinds[1] = CO_FAST_CELL;
    out->kinds[2] = CO_FAST_FREE;
    out->resume = RESUME;
#if PY_VERSION_HEX >= 0x030F0000
    out->untraced_resume[0] = RESUME_OPARG_LOCATION_MASK;
    out->untraced_resume[1] = RESUME_AT_GEN_EXPR_START;
#endif
    out->small_negative = _PY_NSMALLNEGINTS;
    out->small_positive = _PY_NSMALLPOSINTS;
    initial_counters(out);
#if PY_VERSION_HEX < 0x030D0000
    join(out, 0, LOAD_CONST, LOAD_FAST, LOAD_CONST__LOAD_FAST);
    join(out, 1, STORE_FAST, LOAD_FAST, STORE_FAST__LOAD_FAST);
    join(out, 2, LOAD_FAST, LOAD_FAST, LOAD_FAST__LOAD_FAST);
    join(out, 3, STORE_FAST, STORE_FAST, STORE_FAST__STORE_FAST);
    join(out, 4, LOAD_FAST, LOAD_CONST, LOAD_FAST__LOAD_CONST);
#endif
}
