/*
 * banned.h - functions that have a safer counterpart here; using one is a compile error.
 *
 * Included by every .c file after all other headers. The idea is git's banned.h.
 */
#ifndef BASE_BANNED_H
#define BASE_BANNED_H

#define BANNED(name) this_function_is_banned_##name

#undef strcpy
#define strcpy(...) BANNED(strcpy_use_buf_or_memcpy)
#undef strcat
#define strcat(...) BANNED(strcat_use_buf)
#undef strncpy
#define strncpy(...) BANNED(strncpy_use_buf_or_memcpy)
#undef strncat
#define strncat(...) BANNED(strncat_use_buf)
#undef sprintf
#define sprintf(...) BANNED(sprintf_use_buf_printf)
#undef vsprintf
#define vsprintf(...) BANNED(vsprintf_use_buf_printf)
#undef strtok
#define strtok(...) BANNED(strtok_use_str_split)
#undef atoi
#define atoi(...) BANNED(atoi_use_num_parse)
#undef atol
#define atol(...) BANNED(atol_use_num_parse)
#undef gmtime
#define gmtime(...) BANNED(gmtime_use_gmtime_r)
#undef localtime
#define localtime(...) BANNED(localtime_use_localtime_r)
#undef ctime
#define ctime(...) BANNED(ctime_use_time_format)
#undef asctime
#define asctime(...) BANNED(asctime_use_time_format)
#undef alloca
#define alloca(...) BANNED(alloca_use_arena)

#endif
