// `scandium bench`, and how it tells right from wrong.
#include <rapidjson/document.h>

#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cmath>
#include <limits>

#include "bench.h"
#include "command_line.h"
#include "commands.h"

using namespace scandium::program;
using Catch::Matchers::ContainsSubstring;

TEST_CASE("bench: the error of what was sampled is relative, and nothing sampled or not finite is none that passes") {
    SampledError error("y", 1e-3);
    CHECK_FALSE(error.passed());
    error.add(1.0005, 1);
    CHECK(error.value() == Catch::Approx(5e-4));
    CHECK(error.passed());
    error.add(2.01, 2);
    CHECK_FALSE(error.passed());

    SampledError zeros("y", 1e-3);
    zeros.add(0, 3);
    CHECK(zeros.value() == Catch::Approx(1));
    SampledError unwritten("y", 1e-3);
    unwritten.add(std::numeric_limits<double>::quiet_NaN(), 1);
    CHECK_FALSE(unwritten.passed());
    SampledError beside_zero("y", 1e-3);
    beside_zero.add(1e-9, 0);
    CHECK_FALSE(beside_zero.passed());
}

TEST_CASE("bench: shapes are read by the operator's pattern") {
    const BenchOp* scan = find_bench_op("ssd_scan");
    REQUIRE(scan);
    CHECK(parse_shape(*scan, "2x512,24x64,1,128") == std::vector<uint64_t>{2, 512, 24, 64, 1, 128});
    for (const char* wrong : {"", "2", "2x512,24x64,1", "2,512,24x64,1,128", "2x512,24x64,1,128,", "2x512,24x64,1,128x1", "2x0,24x64,1,128",
                              "2x-1,24x64,1,128", "2x512,24x64,1,n"})
        CHECK_THROWS_AS(parse_shape(*scan, wrong), UsageError);
    for (const BenchOp& op : bench_ops())
        for (const std::string& shape : op.shapes) CHECK_NOTHROW(parse_shape(op, shape));
}

TEST_CASE("bench: samples reach from the first to the last and are no more than asked for") {
    CHECK(some_of(1, 8) == std::vector<uint64_t>{0});
    CHECK(some_of(3, 8) == std::vector<uint64_t>{0, 1, 2});
    CHECK(some_of(101, 3) == std::vector<uint64_t>{0, 50, 100});
}

TEST_CASE("bench: every operator is checked and timed") {
    need_device();
    struct Small {
        const char *op, *shape, *weights;
        // Rounding y to bf16 leaves an error; none at all would mean that nothing was compared.
        double least_error = 1e-4;
        const char* dtype = "bf16";
    };
    const Small small = GENERATE(Small{"ssd_scan", "2x20,4x8,2,16", ""}, Small{"selective_scan", "2x8x40,16", ""},
                                 Small{"selective_state_update", "3,8x64,2,16", ""}, Small{"causal_conv1d", "2x20,12,4", ""},
                                 Small{"rms_norm_gated", "5x48", ""}, Small{"swiglu", "5x48", ""}, Small{"silu", "5x48", ""},
                                 Small{"softplus", "5x48", ""}, Small{"add", "5x48", ""}, Small{"causal_conv1d_update", "3,24,4", ""},
                                 Small{"segsum", "3x40", "", 1e-9, "f32"}, Small{"embedding", "12x48,100", "", 0},
                                 Small{"linear", "3x64,40", "dense"}, Small{"linear", "3x64,40", "q8"}, Small{"linear", "3x64,40", "q4"});
    std::vector<std::string> arguments = {"bench",   "--op",      small.op, "--shape", small.shape,
                                          "--dtype", small.dtype, "--json", "-",       "--quick"};
    if (*small.weights) arguments.insert(arguments.end(), {"--weights", small.weights});
    const Outcome outcome = run_program(arguments);
    INFO(small.op << ' ' << small.weights << '\n' << outcome.out << outcome.err);
    REQUIRE(outcome.code == 0);
    rapidjson::Document json;
    REQUIRE_FALSE(json.Parse(outcome.out.c_str()).HasParseError());
    REQUIRE(json["results"].Size() == 1);
    const auto& result = json["results"][0];
    CHECK(result["op"] == small.op);
    CHECK(result["passed"].GetBool());
    CHECK(result["median_us"].GetDouble() > 0);
    CHECK(result["input_sets"].GetUint() > 1);
    CHECK(result["errors"].Size() >= 1);
    CHECK(result["errors"][0]["samples"].GetUint() > 0);
    CHECK(result["errors"][0]["error"].GetDouble() >= small.least_error);
    CHECK(result["dispatches"].Size() >= 1);
}

TEST_CASE("bench: figures are medians of several runs, beside what memory and matrix units give") {
    need_device();
    const Outcome outcome = run_program({"bench", "--op", "linear", "--dtype", "f16", "--shape", "4x256,256", "--json", "-"});
    INFO(outcome.out << outcome.err);
    REQUIRE(outcome.code == 0);
    rapidjson::Document json;
    REQUIRE_FALSE(json.Parse(outcome.out.c_str()).HasParseError());
    CHECK(json["memory_ceiling_gb_per_s"].GetDouble() > 0);
    const auto& result = json["results"][0];
    CHECK(result["memory_share"].GetDouble() > 0);
    // Where the device has matrices of 16 bits: then all three are there.
    CHECK(json["matrix_ceiling_tflops"].IsNumber() == json.HasMember("matrix_ceiling_shape"));
    CHECK(result["matrix_share"].IsNumber() == json.HasMember("matrix_ceiling_shape"));
    if (json.HasMember("matrix_ceiling_shape")) CHECK(json["matrix_ceiling_tflops"].GetDouble() > result["tflops"].GetDouble());
    CHECK(result["samples"].GetUint() > 1);
    CHECK(result["min_us"].GetDouble() <= result["median_us"].GetDouble());
    CHECK(result["median_us"].GetDouble() <= result["max_us"].GetDouble());
}

TEST_CASE("bench: bytes are those that the definition needs") {
    const auto bytes = [](const char* op, const char* shape, scandium::DType dtype) {
        BenchChoices choices;
        choices.dtype = dtype;
        const BenchOp* found = find_bench_op(op);
        return found->make(parse_shape(*found, shape), choices).bytes();
    };
    CHECK(bytes("softplus", "5x48", scandium::DType::bf16) == 5 * 48 * 2 * 2);
    CHECK(bytes("segsum", "3x40", scandium::DType::f16) == 3 * 40 * 2 + 3 * 40 * 40 * 4);
    // States in f32 are read and written.
    CHECK(bytes("causal_conv1d_update", "3,24,4", scandium::DType::bf16) == 3 * 24 * 3 * 4 * 2 + (3 * 24 * 2 + 24 * 4 + 24) * 2);
    // Of the table only rows that ids name: one of one id, nearly all of many.
    CHECK(bytes("embedding", "1x48,100", scandium::DType::f32) == 4 + 2 * 48 * 4);
    CHECK(bytes("embedding", "5000x48,100", scandium::DType::f32) == 5000 * 4 + 100 * 48 * 4 + 5000 * 48 * 4);
}

TEST_CASE("bench: what the device cannot run is said, with exit code 3") {
    need_device();
    const Outcome outcome =
        run_program({"bench", "--op", "selective_state_update", "--shape", "1,1x8,1,16", "--variant", "coopmat", "--quick"});
    CHECK(outcome.code == 3);
    CHECK_THAT(outcome.out, ContainsSubstring("cannot run: selective_state_update: variant coopmat"));
}

TEST_CASE("bench: a shape that the operator refuses is bad input") {
    need_device();
    const Outcome outcome = run_program({"bench", "--shape", "1x16,3x64,2,128", "--quick"});
    CHECK(outcome.code == 2);
    CHECK_THAT(outcome.err, ContainsSubstring("ngroups (axis 2 of B) is 2, which does not divide nheads 3"));
}

TEST_CASE("bench: wrong usage is refused in one line") {
    struct Wrong {
        std::vector<std::string> arguments;
        const char* why;
    };
    const Wrong wrong = GENERATE(Wrong{{"--op", "sort"}, "--op: 'sort'"}, Wrong{{"--shape", "1x2"}, "ssd_scan takes BATCHxSEQLEN"},
                                 Wrong{{"--model", "7b"}, "--model: '7b'"}, Wrong{{"--op", "add", "--model", "130m"}, "--model: goes with"},
                                 Wrong{{"--dtype", "f64"}, "--dtype: 'f64'"}, Wrong{{"--state-dtype", "i32"}, "--state-dtype"},
                                 Wrong{{"--variant", "fast"}, "--variant"}, Wrong{{"--access", "none"}, "--access"},
                                 Wrong{{"--chunk-size", "17"}, "--chunk-size"}, Wrong{{"--op", "linear", "--weights", "q2"}, "--weights"},
                                 Wrong{{"--op", "linear", "--weights", "q4", "--shape", "1x40,8"}, "multiple of 32"},
                                 Wrong{{"--segments", "1025"}, "--segments"},
                                 Wrong{{"--shape", "1048576x1048576,24x64,1,128"}, "more than 2^36 elements"}, Wrong{{"--json"}, "--json"});
    const NoDrivers no_drivers;
    std::vector<std::string> arguments = {"bench"};
    arguments.insert(arguments.end(), wrong.arguments.begin(), wrong.arguments.end());
    const Outcome outcome = run_program(arguments);
    INFO(outcome.out << outcome.err);
    CHECK(outcome.code == 2);
    CHECK(outcome.error_lines() == 1);
    CHECK_THAT(outcome.err, ContainsSubstring(wrong.why));
}
