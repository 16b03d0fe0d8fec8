#include "cli/command.h"
int cmd_push(int a,char**b){(void)a;(void)b;return 1;} int cmd_query(int a,char**b){(void)a;(void)b;return 1;} int cmd_labels(int a,char**b){(void)a;(void)b;return 1;}
int cmd_series(int a,char**b){(void)a;(void)b;return 1;} int cmd_check_config(int a,char**b){(void)a;(void)b;return 1;} int cmd_verify(int a,char**b){(void)a;(void)b;return 1;} int cmd_dump(int a,char**b){(void)a;(void)b;return 1;}
