// What a sequence model is made of, in terms of what all models have in common.
#pragma once

#include "model/checkpoint.h"
#include "scandium/sequence_model.h"

namespace scandium {

// With headdim filled in. Refuses options out of range with a sentence that `call` begins. Throws FileError.
SequenceModelConfig checked(const SequenceModelConfig& config, const char* call);

// Of one that is checked. The head has a row for each output.
ModelConfig layers_of(const SequenceModelConfig& config);

// Each under its one name.
std::vector<WantedWeight> sequence_weights(const SequenceModelConfig& config);

}  // namespace scandium
