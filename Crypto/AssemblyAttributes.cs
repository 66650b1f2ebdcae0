using System.Runtime.CompilerServices;

// Tests reach the field arithmetic and the fallback cipher, which no public member lets them steer.
[assembly: InternalsVisibleTo("FastExit.Tests")]
