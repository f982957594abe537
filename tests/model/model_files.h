// Model folders that tests make, and the ones that there are.
#pragma once

#include <catch2/matchers/catch_matchers_exception.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <random>
#include <string>
#include <vector>

#include "model/config.h"
#include "model/weights.h"
#include "program/files.h"

namespace scandium::test {

using program::read_bytes;
using program::TempFolder;
using program::write_bytes;

std::string reference(const std::string& name);  // the path
std::string sample_model(const std::string& name);

// An error that begins with `path` and has all of these in it.
#define CHECK_REFUSED(expression, type, path, ...)                                         \
    do {                                                                                   \
        std::string refused_message;                                                       \
        try {                                                                              \
            (void)(expression);                                                            \
        } catch (const type& refused) {                                                    \
            refused_message = refused.what();                                              \
        }                                                                                  \
        CHECK_THAT(refused_message, Catch::Matchers::StartsWith(path));                    \
        for (const std::string& refused_part : std::vector<std::string>{__VA_ARGS__})      \
            CHECK_THAT(refused_message, Catch::Matchers::ContainsSubstring(refused_part)); \
    } while (false)

struct NamedTensor {
    std::string key;
    std::vector<uint64_t> shape;
    ElementType type = ElementType::f32;
};

// Zeros under the keys and in the shapes given.
void write_tensors(const std::string& path, const std::vector<NamedTensor>& tensors);

// All tensors of such a model as transformers calls them.
std::vector<NamedTensor> tensors_of(const ModelConfig& config);

// Small models of each kind.
ModelConfig small_mamba1();
ModelConfig small_mamba2();

// Changes some bytes of a text: overwrites, inserts, removes, repeats.
std::string mutated(const std::string& text, std::mt19937* random);

}  // namespace scandium::test
