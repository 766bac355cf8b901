# One library per folder of src/. Tests (x_test.cpp) stand beside the source and become one executable per room.
#
#   tessera_room(text DEPENDS base LIBRARIES PkgConfig::PCRE2)
#
# DEPENDS names rooms of a lower level (tools/check_arrows.py holds the includes to the levels).
function(tessera_room name)
  cmake_parse_arguments(ROOM "" "" "DEPENDS;LIBRARIES" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${name}/*.cpp)
  set(test_sources ${sources})
  list(FILTER sources EXCLUDE REGEX "_(test|bench|fuzz)\\.cpp$")
  list(FILTER test_sources INCLUDE REGEX "_test\\.cpp$")
  if(NOT sources)
    return()  # headers alone
  endif()
  add_library(tessera_${name} STATIC ${sources})
  target_include_directories(tessera_${name} PUBLIC ${CMAKE_SOURCE_DIR}/src)
  target_link_libraries(tessera_${name} PUBLIC tessera_options ${ROOM_LIBRARIES})
  foreach(dependency ${ROOM_DEPENDS})
    if(TARGET tessera_${dependency})  # a room of headers alone is no library
      target_link_libraries(tessera_${name} PUBLIC tessera_${dependency})
    endif()
  endforeach()
  if(test_sources AND TESSERA_TESTS)
    tessera_test(${name}_test SOURCES ${test_sources} LIBRARIES tessera_${name})
  endif()
endfunction()

# A GoogleTest executable, each of its cases a CTest test. Tests run from the project's root, so that they find
# tests/ and, where it exists, ../shared.
function(tessera_test name)
  cmake_parse_arguments(TEST "" "" "SOURCES;LIBRARIES;LABELS" ${ARGN})
  add_executable(${name} ${TEST_SOURCES})
  target_link_libraries(${name} PRIVATE ${TEST_LIBRARIES} GTest::gmock GTest::gtest_main)
  if(CMAKE_CXX_CLANG_TIDY)  # what a test copies costs nobody anything, and ASSERT is no check in clang-tidy's eyes
    set_target_properties(${name} PROPERTIES
      CXX_CLANG_TIDY "${CMAKE_CXX_CLANG_TIDY};--checks=-performance-*,-bugprone-unchecked-optional-access")
  endif()
  gtest_discover_tests(${name} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR} DISCOVERY_TIMEOUT 60
                       PROPERTIES TIMEOUT 300 LABELS "${TEST_LABELS}")
endfunction()

# A libFuzzer target (preset asan only); its seed corpus lies in tests/fuzz/NAME/.
function(tessera_fuzz name source)
  cmake_parse_arguments(FUZZ "" "" "LIBRARIES" ${ARGN})
  if(TESSERA_FUZZ)
    add_executable(${name} ${source})
    target_link_libraries(${name} PRIVATE ${FUZZ_LIBRARIES})
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  endif()
endfunction()
