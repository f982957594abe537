// The graphs of a language model.
#pragma once

#include "model/layers.h"

namespace scandium {

// All throw ResultError; the device's diagnostics has been told.
PlannedGraph prefill_graph(const Session& session);        // tokens to `hidden`
PlannedGraph prompt_logits_graph(const Session& session);  // one row of `hidden` to logits
PlannedGraph every_logits_graph(const Session& session);   // `hidden` to logits
PlannedGraph decode_graph(const Session& session);         // tokens to logits

}  // namespace scandium
