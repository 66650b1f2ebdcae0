using System.Runtime.CompilerServices;

// Tests reach the field arithmetic, the fallback cipher and the kernels of every level, which no public member lets them
// steer; benchmarks time those kernels.
[assembly: InternalsVisibleTo("FastExit.Tests")]
[assembly: InternalsVisibleTo("fastexit-bench")]
