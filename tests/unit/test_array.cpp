#include <catch2/catch_test_macros.hpp>

#include "core/array.h"

namespace scandium {
namespace {

TEST_CASE("array: grows and keeps its elements") {
    Array<uint32_t> array;
    CHECK(array.size() == 0);
    CHECK(array.begin() == array.end());
    for (uint32_t i = 0; i < 1000; ++i) REQUIRE(array.push(i * 3));
    REQUIRE(array.size() == 1000);
    uint32_t expected = 0, wrong = 0;
    for (uint32_t value : array) {
        wrong += value != expected;
        expected += 3;
    }
    CHECK(wrong == 0);
    CHECK(array.back() == 2997);
}

TEST_CASE("array: an element of its own can be pushed while it grows") {
    Array<uint64_t> array;
    REQUIRE(array.push(42));
    for (int i = 0; i < 100; ++i) REQUIRE(array.push(array[0]));
    for (uint64_t value : array) CHECK(value == 42);
}

TEST_CASE("array: resize fills what is new and cuts what is not wanted") {
    Array<int> array;
    REQUIRE(array.push(1));
    REQUIRE(array.resize(4, 9));
    CHECK(array.size() == 4);
    CHECK(array[0] == 1);
    CHECK(array[3] == 9);
    REQUIRE(array.resize(2));
    CHECK(array.size() == 2);
    REQUIRE(array.resize(3));
    CHECK(array[1] == 9);
    CHECK(array[2] == 0);
}

TEST_CASE("array: assign copies, also nothing") {
    Array<int> from, to;
    REQUIRE(from.resize(5, 7));
    REQUIRE(to.push(1));
    REQUIRE(to.assign(from));
    CHECK(to.size() == 5);
    CHECK(to[4] == 7);
    from[4] = 8;
    CHECK(to[4] == 7);
    const Array<int> empty;
    REQUIRE(to.assign(empty));
    CHECK(to.size() == 0);
}

TEST_CASE("array: says when memory runs out, and stays as it was") {
    Array<uint64_t> array;
    REQUIRE(array.push(5));
    CHECK_FALSE(array.reserve(size_t(1) << 58));
    CHECK(array.size() == 1);
    CHECK(array[0] == 5);
}

}  // namespace
}  // namespace scandium
