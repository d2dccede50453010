#include "power.h"
int main(void){return 0;}
