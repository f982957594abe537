// Reads a model's configuration.
#pragma once

#include <string>

#include "files/safetensors.h"
#include "scandium/model_config.h"

namespace scandium {

// The file is right, but asks for what this library does not have.
struct UnsupportedError : FileError {
    using FileError::FileError;
};

// Takes config.json as transformers writes it for the model types mamba, mamba2 and falcon_mamba, and as state-spaces/mamba
// writes it (d_model, n_layer, ssm_cfg ...). Keys that no forward pass reads are ignored, as those libraries do.
// Throws FileError, with the key, what was found and what is expected; UnsupportedError.
ModelConfig read_model_config(const std::string& path);

// Refuses what does not fit together, whoever filled in the struct. `what` begins the sentence. Throws FileError.
void check_model_config(const ModelConfig& config, const std::string& what);

}  // namespace scandium
