// Where the program keeps pipelines between runs.
#pragma once

#include <string>

namespace scandium::program {

// What ContextOptions::pipeline_cache takes for --pipeline-cache: the file that it names; empty for "none"; without the option
// a folder of the user's, which is made if it is not there. Empty if there can be none.
std::string pipeline_cache_path(const std::string& option);

}  // namespace scandium::program
