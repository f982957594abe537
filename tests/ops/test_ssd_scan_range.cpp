// ssd_scan with values at the ends of what 16 and 32 bits hold, and beyond: operands that a cooperative matrix cannot take as
// they are, and infinities and NaN, which have to stay where they belong.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>
#include <cmath>
#include <cstring>
#include <limits>

#include "support/compare.h"
#include "support/random.h"
#include "support/ssd_case.h"

namespace scandium::test {
namespace {

void scale(std::vector<double>* values, double factor, DType dtype) {
    for (double& value : *values) value = rounded(value * factor, dtype);
}

struct TypedPath {
    DType io;
    SsdPath path;
};

// The ways that compute in f32, where the type of the inputs matters little, and matrices of each type.
std::vector<TypedPath> typed_paths() {
    std::vector<TypedPath> paths;
    for (const SsdPath& path : main_paths()) paths.push_back({DType::f16, path});
    for (DType narrow : {DType::f16, DType::bf16})
        for (const SsdPath& path : main_paths_and_matrices(narrow))
            if (path.variant == Variant::coopmat) paths.push_back({narrow, path});
    return paths;
}

// Inputs in 16 bits, outputs in f32, so that what is computed in between shows. Three sequences a row. All tests here share
// this case, because making its pipelines takes far longer than running them.
constexpr uint64_t kFirst = 20, kEnd = 50;  // tokens of the second sequence

SsdCase narrow_case(const TypedPath& way) {
    SsdCase c = on_path(SsdCase(), way.path);
    c.shape = {2, 70, 4, 16, 2, 32};
    c.x_dtype = c.bc_dtype = way.io;
    c.D = SsdD::per_element;
    c.z = c.initial_states = true;
    c.chunk_size = 16;
    c.max_sequences = 3;
    for (uint64_t i = 0; i < 140; ++i) c.seq_idx.push_back(i % 70 < kFirst ? 0 : i % 70 < kEnd ? 1 : 2);
    return c;
}

struct Extreme {
    const char* name;
    void (*change)(SsdInputs& in, DType io);
};

const Extreme kExtremes[] = {
    {"C B^T beyond f16's largest",
     [](SsdInputs& in, DType io) {
         for (auto* values : {&in.B, &in.C}) scale(values, 60, io);
         in.dt.assign(in.dt.size(), 1);
         in.A = {-0.01, -2, -0.5, -1};
     }},
    {"C B^T beyond f16's largest, all of one sign",
     [](SsdInputs& in, DType) {
         in.B.assign(in.B.size(), 60);
         in.C.assign(in.C.size(), 60);
         in.dt.assign(in.dt.size(), 1);
     }},
    {"x times its step under f16's smallest normal",
     [](SsdInputs& in, DType io) {
         scale(&in.x, 0.1, io);
         in.dt.assign(in.dt.size(), rounded(1e-4, DType::f32));
         in.initial_states.assign(in.initial_states.size(), 0);
     }},
    {"x times its step under f16's smallest",
     [](SsdInputs& in, DType io) {
         scale(&in.x, 1e-3, io);
         in.dt.assign(in.dt.size(), rounded(1e-7, DType::f32));
         in.initial_states.assign(in.initial_states.size(), 0);
     }},
    {"B, C and x of the size of f16's subnormals",
     [](SsdInputs& in, DType io) {
         for (auto* values : {&in.x, &in.B, &in.C}) scale(values, 0x1p-16, io);
         in.initial_states.assign(in.initial_states.size(), 0);
     }},
    {"states beyond f16's largest",
     [](SsdInputs& in, DType io) {
         scale(&in.x, 1000, io);
         scale(&in.B, 100, io);
         in.dt.assign(in.dt.size(), 1);
         in.A = {-0.001, -0.1, -0.01, -1};
     }},
    {"states far beyond f16's largest", [](SsdInputs& in, DType) { scale(&in.initial_states, 1e30, DType::f32); }},
    {"states far under f16's smallest",
     [](SsdInputs& in, DType io) {
         scale(&in.initial_states, 1e-25, DType::f32);
         scale(&in.x, io == DType::bf16 ? 1e-25 : 0, io);
     }},
    {"a step that dwarfs the others",
     [](SsdInputs& in, DType) {
         for (size_t i = 0; i < in.dt.size(); ++i) in.dt[i] = i / 4 % 40 == 30 ? 100 : rounded(1e-3, DType::f32);
         in.A = {-0.01, -1, -0.1, -4};
     }},
};

TEST_CASE("operands that 16 bits do not hold") {
    const TypedPath way = GENERATE(from_range(typed_paths()));
    const SsdCase c = narrow_case(way);
    for (const Extreme& extreme : kExtremes) {
        SsdInputs in = make_inputs(c);
        extreme.change(in, way.io);
        INFO(extreme.name);
        check_outputs(c, run_ok(c, in), expected(c, in));
    }
}

// ---- infinities and NaN -------------------------------------------------------------------------------------------

// Where a value is spoilt: at a token of one head of one batch row, within the second sequence.
constexpr uint64_t kRow = 1, kToken = 33, kHead = 2, kElement = 5;

struct Spoiler {
    const char* tensor;
    std::vector<double> SsdInputs::*values;
    uint64_t index;
    uint64_t heads;          // that it may reach, from kHead on
    bool whole_row = false;  // every sequence of a head, in both batch rows
    uint64_t elements = 16;  // of the head's y at kToken that have to show it, from kElement on if only one
};

std::vector<Spoiler> spoilers() {
    const uint64_t at = kRow * 70 + kToken;
    return {
        {"x", &SsdInputs::x, (at * 4 + kHead) * 16 + kElement, 1, false, 1},
        {"z", &SsdInputs::z, (at * 4 + kHead) * 16 + kElement, 1, false, 1},
        {"dt", &SsdInputs::dt, at * 4 + kHead, 1},
        {"B", &SsdInputs::B, (at * 2 + kHead / 2) * 32 + 7, 2},
        {"C", &SsdInputs::C, (at * 2 + kHead / 2) * 32 + 7, 2},
        {"D", &SsdInputs::D, kHead * 16 + kElement, 1, true, 1},
        {"A", &SsdInputs::A, kHead, 1, true},
    };
}

bool is_reached(const Spoiler& s, uint64_t row, uint64_t token, uint64_t head) {
    const bool in_head = head >= kHead && head < kHead + s.heads;
    return in_head && (s.whole_row || (row == kRow && token >= kFirst && token < kEnd));
}

void check_spoilt(const SsdRun& clean, const SsdRun& spoilt, const Spoiler& s, bool must_be_nan) {
    size_t strayed = 0, lost = 0;
    for (uint64_t i = 0; i < clean.y.size(); ++i) {
        const uint64_t p = i % 16, head = i / 16 % 4, token = i / 64 % 70, row = i / 64 / 70;
        if (!is_reached(s, row, token, head)) strayed += std::memcmp(&clean.y[i], &spoilt.y[i], sizeof(float)) != 0;
        const bool shows = row == kRow && token == kToken && head == kHead && (s.elements == 16 || p == kElement);
        if (shows) lost += must_be_nan ? !std::isnan(spoilt.y[i]) : std::isfinite(spoilt.y[i]);
    }
    CHECK(strayed == 0);
    CHECK(lost == 0);
    // The row's last sequence, whose state this is, begins after kEnd.
    const uint64_t per_head = 16 * 32;
    strayed = 0;
    for (uint64_t i = 0; i < clean.final_states.size(); ++i)
        if (!is_reached(s, i / per_head / 4, kEnd, i / per_head % 4))
            strayed += std::memcmp(&clean.final_states[i], &spoilt.final_states[i], sizeof(float)) != 0;
    CHECK(strayed == 0);
}

TEST_CASE("a NaN stays in its own head and sequence, and is not lost") {
    const SsdCase c = narrow_case(GENERATE(from_range(typed_paths())));
    const SsdInputs in = make_inputs(c);
    const SsdRun clean = run_ok(c, in);
    for (const Spoiler& spoiler : spoilers()) {
        SsdInputs changed = in;
        (changed.*spoiler.values)[spoiler.index] = std::numeric_limits<double>::quiet_NaN();
        INFO("in " << spoiler.tensor << ", " << c.text());
        check_spoilt(clean, run_ok(c, changed), spoiler, true);
    }
}

TEST_CASE("an infinity stays in its own head and sequence, and is not lost") {
    const SsdCase c = narrow_case(GENERATE(from_range(typed_paths())));
    const SsdInputs in = make_inputs(c);
    const SsdRun clean = run_ok(c, in);
    for (const Spoiler& spoiler : spoilers()) {
        if (spoiler.values == &SsdInputs::A || spoiler.values == &SsdInputs::dt) continue;  // an A of -inf forgets; dt is held by dt_max
        SsdInputs changed = in;
        (changed.*spoiler.values)[spoiler.index] = std::numeric_limits<double>::infinity();
        INFO("in " << spoiler.tensor << ", " << c.text());
        check_spoilt(clean, run_ok(c, changed), spoiler, false);
    }
}

TEST_CASE("a state of infinity or NaN enters its own head only") {
    const SsdCase c = narrow_case(GENERATE(from_range(typed_paths())));
    const double value = GENERATE(std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN());
    const SsdInputs in = make_inputs(c);
    SsdInputs changed = in;
    changed.initial_states[((kRow * 4 + kHead) * 16 + kElement) * 32] = value;
    const SsdRun clean = run_ok(c, in), spoilt = run_ok(c, changed);
    size_t strayed = 0;
    for (uint64_t i = 0; i < clean.y.size(); ++i) {
        const bool in_head = i / 16 % 4 == kHead && i / 64 / 70 == kRow && i / 64 % 70 < kFirst;
        // Beside it in the head, matrices have to do without the scale that their operands get otherwise.
        strayed +=
            in_head ? std::isfinite(spoilt.y[i]) == (i % 16 == kElement) : std::memcmp(&clean.y[i], &spoilt.y[i], sizeof(float)) != 0;
    }
    INFO(c.text());
    CHECK(strayed == 0);
    CHECK(differing_bits(clean.final_states, spoilt.final_states) == 0);
}

}  // namespace
}  // namespace scandium::test
