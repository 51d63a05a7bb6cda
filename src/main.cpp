#include "dreamfusion/app/app.h"

int main(int argc, char** argv) { return dreamfusion::run_app(argc, argv); }
