// Models on the test device, and what they are expected to compute.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "scandium/model_run.h"
#include "support/owned.h"
#include "support/test_device.h"

namespace scandium::test {

using ModelPtr = std::unique_ptr<Model, Destroyer<destroy_model>>;
using SessionPtr = std::unique_ptr<Session, Destroyer<destroy_session>>;
using RunnerPtr = std::unique_ptr<ModelRunner, Destroyer<destroy_model_runner>>;

// A reference case: a folder of a model, tokens, and what follows from them.
struct LanguageCase {
    std::string name, folder;
    std::vector<int32_t> ids, greedy;
    std::vector<double> logits, greedy_margin;
    size_t vocab = 0;
};
LanguageCase language_case(const std::string& name);
inline constexpr const char* kLanguageCases[] = {"lm_mamba1_tiny", "lm_mamba2_tiny", "lm_shakespeare"};

// What such a model said last.
std::string& model_message();
ModelPtr open_model(const std::string& folder, WeightType weights = WeightType::f32, MemoryAccess access = MemoryAccess::automatic);

class TestSession {
public:
    TestSession(const Model* model, const SessionOptions& options);

    Session* get() const { return session_.get(); }
    ModelRunner* runner() const { return runner_.get(); }

    std::vector<float> every(uint32_t slot, const std::vector<int32_t>& ids);  // logits after every token
    std::vector<float> last(uint32_t slot, const std::vector<int32_t>& ids);   // after the last
    std::vector<float> step(const std::vector<int32_t>& tokens, const std::vector<int32_t>& slots);
    std::vector<char> save(uint32_t slot);

private:
    size_t vocab_;
    SessionPtr session_;
    RunnerPtr runner_;
};

// The message of a call that has to fail like this.
std::string refused(Result found, Result expected = Result::invalid_argument);

}  // namespace scandium::test
