// ssd_scan against the reference files, on every path that the device has.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "support/reference_case.h"
#include "support/test_device.h"

namespace scandium::test {
namespace {

TEST_CASE("the paths that this device lacks") {
    const SsdPath path = GENERATE(SsdPath{SsdAlgorithm::chunked, Variant::scalar, MemoryAccess::address},
                                  SsdPath{SsdAlgorithm::chunked, Variant::subgroup, MemoryAccess::descriptor},
                                  SsdPath{SsdAlgorithm::chunked, Variant::coopmat, MemoryAccess::descriptor});
    const std::string reason = missing(path);
    if (!reason.empty()) SKIP(to_text(path) << ": " << reason);
    CHECK(device_paths().size() >= 2);
}

// A forced variant has to be the one that runs, wherever a stage has it, and the memory access too. Where none is forced it is
// the kernels that only the library chooses, on CPUs.
void check_stages(const SsdPath& path, const std::vector<SsdStage>& stages) {
    const bool is_tiled = path.variant == Variant::automatic;
    const Variant wanted = is_tiled ? Variant::scalar : path.variant;
    uint32_t of_variant = 0, tiles = 0;
    for (const SsdStage& stage : stages) {
        CAPTURE(stage.name, stage.kernel, stage.reason);
        of_variant += stage.variant == wanted;
        tiles += stage.name == "ssd_recurrent_tile";
        CHECK(stage.variant <= wanted);
        CHECK(stage.kernel.substr(0, stage.name.size()) == stage.name);
        CHECK(stage.kernel.find(std::string("_") + to_string(path.access)) != std::string::npos);
    }
    CHECK(of_variant > 0);
    CHECK(tiles == (is_tiled ? 1 : 0));
}

TEST_CASE("reference files") {
    const std::string name = GENERATE(from_range(reference_names()));
    const SsdPath path = GENERATE(from_range(device_paths()));
    ReferenceCase reference = load_reference(name);
    reference.ssd = on_path(reference.ssd, path);
    reference.ssd.separate_buffers = path.access == MemoryAccess::descriptor;
    CAPTURE(name, to_text(path));
    const SsdRun run = run_ssd(reference.ssd, reference.in);
    INFO(run.message);
    if (path.variant == Variant::coopmat && !multiplies_matrices_of(reference.ssd.x_dtype)) {
        // Other operands would not be as precise: refused, not replaced.
        CHECK(run.result == Result::unsupported);
        CHECK_THAT(run.message, Catch::Matchers::ContainsSubstring("coopmat"));
        return;
    }
    if (path.variant == Variant::coopmat && run.result == Result::unsupported) SKIP(name << " on " << to_text(path) << ": " << run.message);
    REQUIRE(run.result == Result::ok);
    check_outputs(reference.ssd, run, reference.want);
    check_stages(path, run.stages);
}

}  // namespace
}  // namespace scandium::test
