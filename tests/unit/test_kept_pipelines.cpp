// The header before kept pipelines: what it lets through, and what it says of the rest.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <cstring>
#include <string>
#include <vector>

#include "core/hash.h"
#include "core/kept_pipelines.h"

namespace scandium {
namespace {

using Bytes = std::vector<uint8_t>;

PipelineOrigin an_origin() {
    PipelineOrigin origin;
    origin.library_version = 0x1000;
    origin.kernels = 0x0123456789abcdef;
    origin.vendor_id = 0x10de;
    origin.device_id = 0x2330;
    origin.driver_version = 580;
    for (uint8_t i = 0; i < VK_UUID_SIZE; ++i) origin.cache_uuid[i] = uint8_t(i + 1);
    return origin;
}

// What a driver gives: Vulkan's header of 32 bytes, and then what it likes.
Bytes driver_bytes(const PipelineOrigin& origin, size_t own) {
    const uint32_t words[] = {32, 1, origin.vendor_id, origin.device_id};
    Bytes bytes(32 + own);
    std::memcpy(bytes.data(), words, sizeof words);
    std::memcpy(bytes.data() + sizeof words, origin.cache_uuid, VK_UUID_SIZE);
    for (size_t i = 0; i < own; ++i) bytes[32 + i] = uint8_t(i * 7 + 3);
    return bytes;
}

Span<uint8_t> span_of(const Bytes& bytes) { return {bytes.data(), bytes.size()}; }

Bytes kept(const PipelineOrigin& origin, const Bytes& payload) {
    Bytes bytes(kKeptHeaderBytes);
    write_kept_header(origin, span_of(payload), bytes.data());
    bytes.insert(bytes.end(), payload.begin(), payload.end());
    return bytes;
}

std::string fault_of(const PipelineOrigin& origin, const Bytes& bytes) {
    const KeptPipelines read = read_kept(origin, span_of(bytes));
    CHECK((read.payload.data == nullptr) == (read.fault != nullptr));
    return read.fault ? read.fault : "";
}

TEST_CASE("kept pipelines: what was written is read, whatever the driver's part is long") {
    const PipelineOrigin origin = an_origin();
    for (size_t own : {0, 1, 7, 8, 9, 1000}) {
        const Bytes payload = driver_bytes(origin, own), bytes = kept(origin, payload);
        const KeptPipelines read = read_kept(origin, span_of(bytes));
        REQUIRE(read.fault == nullptr);
        CHECK(Bytes(read.payload.data, read.payload.data + read.payload.size) == payload);
    }
}

TEST_CASE("kept pipelines: cut off anywhere, or with more at the end") {
    const PipelineOrigin origin = an_origin();
    const Bytes whole = kept(origin, driver_bytes(origin, 100));
    for (size_t size = 0; size < whole.size(); ++size) {
        CAPTURE(size);
        CHECK(fault_of(origin, Bytes(whole.begin(), whole.begin() + std::ptrdiff_t(size))) ==
              (size < kKeptHeaderBytes ? "are shorter than their header" : "are cut off, or more than they should be"));
    }
    Bytes longer = whole;
    longer.push_back(0);
    CHECK(fault_of(origin, longer) == "are cut off, or more than they should be");
    CHECK(read_kept(origin, {}).fault != nullptr);
}

TEST_CASE("kept pipelines: any bit flipped") {
    const PipelineOrigin origin = an_origin();
    const Bytes whole = kept(origin, driver_bytes(origin, 100));
    for (size_t i = 0; i < whole.size(); ++i)
        for (int bit = 0; bit < 8; ++bit) {
            Bytes flipped = whole;
            flipped[i] = uint8_t(flipped[i] ^ 1 << bit);
            CAPTURE(i, bit);
            CHECK(fault_of(origin, flipped) != "");
        }
}

TEST_CASE("kept pipelines: of anything but this build, device and driver they are refused, and it is said which") {
    const PipelineOrigin origin = an_origin();
    const Bytes bytes = kept(origin, driver_bytes(origin, 100));
    const auto fault_with = [&](auto change) {
        PipelineOrigin other = origin;
        change(other);
        return fault_of(other, bytes);
    };
    CHECK(fault_with([](PipelineOrigin& o) { ++o.library_version; }) == "are of another build of Scandium");
    CHECK(fault_with([](PipelineOrigin& o) { o.kernels ^= 1; }) == "are of another build of Scandium");
    CHECK(fault_with([](PipelineOrigin& o) { ++o.vendor_id; }) == "are of another device");
    CHECK(fault_with([](PipelineOrigin& o) { ++o.device_id; }) == "are of another device");
    CHECK(fault_with([](PipelineOrigin& o) { ++o.driver_version; }) == "are of another driver");
    for (size_t i = 0; i < VK_UUID_SIZE; ++i) CHECK(fault_with([i](PipelineOrigin& o) { ++o.cache_uuid[i]; }) == "are of another driver");
    CHECK(fault_with([](PipelineOrigin&) {}) == "");
}

// With a header of ours that is right.
TEST_CASE("kept pipelines: the driver's part is no such thing, or another driver's") {
    const PipelineOrigin origin = an_origin();
    const Bytes good = driver_bytes(origin, 100);
    CHECK(fault_of(origin, kept(origin, {})) == "are damaged");
    CHECK(fault_of(origin, kept(origin, Bytes(good.begin(), good.begin() + 31))) == "are damaged");
    CHECK(fault_of(origin, kept(origin, Bytes(100, 0xff))) == "are damaged");
    for (size_t i = 0; i < 32; ++i) {
        // A header longer than Vulkan's is a later one's, unless it is longer than all.
        Bytes other = good;
        other[i] = uint8_t(other[i] ^ 0x80);
        CAPTURE(i);
        CHECK(fault_of(origin, kept(origin, other)) == "are damaged");
    }
}

TEST_CASE("kept pipelines: bytes without meaning") {
    const PipelineOrigin origin = an_origin();
    for (int value : {0x00, 0x20, 0xff}) CHECK(fault_of(origin, Bytes(4096, uint8_t(value))) == "are not what save_pipelines() gives");
    // All lengths that the header tells of, with the hash that belongs to it.
    const Bytes whole = kept(origin, driver_bytes(origin, 100));
    for (uint64_t claimed : {uint64_t(0), uint64_t(131), uint64_t(133), ~uint64_t(0), ~uint64_t(0) - kKeptHeaderBytes}) {
        Bytes bytes = whole;
        std::memcpy(bytes.data() + 56, &claimed, sizeof claimed);
        const uint64_t hash = hash_bytes(bytes.data(), kKeptHeaderBytes - 8);
        std::memcpy(bytes.data() + kKeptHeaderBytes - 8, &hash, sizeof hash);
        CAPTURE(claimed);
        CHECK(fault_of(origin, bytes) == "are cut off, or more than they should be");
    }
}

TEST_CASE("hash_bytes: every byte counts, and so do how many there are and the seed") {
    const Bytes zeros(24);
    CHECK(hash_bytes(zeros.data(), 8) != hash_bytes(zeros.data(), 9));
    CHECK(hash_bytes(zeros.data(), 0) != hash_bytes(zeros.data(), 1));
    CHECK(hash_bytes(zeros.data(), 8, 1) != hash_bytes(zeros.data(), 8, 2));
    CHECK(hash_bytes(nullptr, 0) == hash_bytes(zeros.data(), 0));
    for (size_t size = 1; size <= zeros.size(); ++size)
        for (size_t i = 0; i < size; ++i) {
            Bytes other = zeros;
            other[i] = 1;
            CHECK(hash_bytes(other.data(), size) != hash_bytes(zeros.data(), size));
        }
}

}  // namespace
}  // namespace scandium
