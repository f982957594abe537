# What `cmake --install` puts where: headers, libraries, the program, a CMake package and a pkg-config file.
#   find_package(scandium) gives scandium::scandium and, if they were built, scandium::context, scandium::model and
#   scandium::model_run.
option(SCANDIUM_INSTALL "Install Scandium with the project" ${PROJECT_IS_TOP_LEVEL})
if(NOT SCANDIUM_INSTALL)
  return()
endif()
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(SCANDIUM_PACKAGE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/scandium)

set(left_out PATTERN context.h EXCLUDE)
if(TARGET scandium_context)
  set(left_out)
  # Apart, since only this one needs volk.
  set_target_properties(scandium_context PROPERTIES EXPORT_NAME context)
  install(TARGETS scandium_context EXPORT scandiumContextTargets)
  install(EXPORT scandiumContextTargets NAMESPACE scandium:: DESTINATION ${SCANDIUM_PACKAGE_DIR})
endif()
if(TARGET scandium_model)
  # With what a static library leaves to be linked.
  install(TARGETS scandium_model scandium_files EXPORT scandiumModelTargets)
  install(EXPORT scandiumModelTargets NAMESPACE scandium:: DESTINATION ${SCANDIUM_PACKAGE_DIR})
else()
  list(APPEND left_out PATTERN model.h EXCLUDE PATTERN model_config.h EXCLUDE PATTERN sampler.h EXCLUDE PATTERN sequence_model.h EXCLUDE
              PATTERN tokenizer.h EXCLUDE)
endif()
if(TARGET scandium_model_run)
  install(TARGETS scandium_model_run EXPORT scandiumModelRunTargets)
  install(EXPORT scandiumModelRunTargets NAMESPACE scandium:: DESTINATION ${SCANDIUM_PACKAGE_DIR})
else()
  list(APPEND left_out PATTERN model_run.h EXCLUDE)
endif()
install(TARGETS scandium EXPORT scandiumTargets)
install(EXPORT scandiumTargets NAMESPACE scandium:: DESTINATION ${SCANDIUM_PACKAGE_DIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/scandium DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} ${left_out})
if(TARGET scandium_program)
  install(TARGETS scandium_program)
endif()

configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/scandiumConfig.cmake.in ${PROJECT_BINARY_DIR}/scandiumConfig.cmake
                              INSTALL_DESTINATION ${SCANDIUM_PACKAGE_DIR})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/scandiumConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/scandiumConfig.cmake ${PROJECT_BINARY_DIR}/scandiumConfigVersion.cmake
        DESTINATION ${SCANDIUM_PACKAGE_DIR})

file(RELATIVE_PATH SCANDIUM_PC_TO_PREFIX /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
configure_file(${CMAKE_CURRENT_LIST_DIR}/scandium.pc.in ${PROJECT_BINARY_DIR}/scandium.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/scandium.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
