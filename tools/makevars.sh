# For configure and configure.win: writes src/Makevars from src/Makevars.in, with flags of the preprocessor ($1), of the
# linker ($2), and every object file. `make` alone could not list them: wildcards are an extension of GNU's.
write_makevars() {
    objects=$(cd src && ls base/*.c kernels/*.c tensor/*.c autograd/*.c optim/*.c io/*.c image/*.c r/*.c init.c |
        sed 's/\.c$/.o/' | tr '\n' ' ')
    sed -e "s|@PKG_CPPFLAGS@|$1|" -e "s|@PKG_LIBS@|$2|" -e "s|@OBJECTS@|$objects|" src/Makevars.in > src/Makevars
}
