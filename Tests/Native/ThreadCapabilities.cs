using System.Runtime.InteropServices;
using Xunit;

namespace FastExit.Tests.Native;

/// <summary>What a thread that is about to end may do (<c>capset(2)</c>, version 3).</summary>
internal static unsafe partial class ThreadCapabilities
{
    /// <summary>Gives up every capability of the calling thread for good; others keep theirs. User ids stay, so files
    /// of root can still be opened.</summary>
    public static void DropAll()
    {
        uint* header = stackalloc uint[2] { 0x20080522, 0 };
        uint* data = stackalloc uint[6];
        new Span<uint>(data, 6).Clear();
        Assert.Equal(0, capset(header, data));
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial int capset(uint* header, uint* data);
}
