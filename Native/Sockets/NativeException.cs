using System.Runtime.InteropServices;

namespace FastExit.Native.Sockets;

/// <summary>
/// A kernel interface refused at start-up or in the control plane; never thrown on the packet path. The message
/// says what was tried, names the errno and ends with what an operator can do about it.
/// </summary>
public sealed class NativeException : Exception
{
    public NativeException()
        : this("native call", 0, null)
    {
    }

    public NativeException(string message)
        : base(message)
    {
    }

    public NativeException(string message, Exception innerException)
        : base(message, innerException)
    {
    }

    /// <param name="operation">What was tried, as a phrase: <c>bind 0.0.0.0:1789</c>.</param>
    /// <param name="errno">The positive error number.</param>
    /// <param name="mend">What to do, as a sentence; null when there is nothing better than the errno's text.</param>
    public NativeException(string operation, int errno, string? mend)
        : base(Describe(operation, errno, mend)) => Errno = errno;

    /// <summary>The positive error number, 0 when the failure had none.</summary>
    public int Errno { get; }

    private static string Describe(string operation, int errno, string? mend)
    {
        string name = Sockets.Errno.Name(errno);
        string text = $"{operation} failed: {name} ({errno}), {Marshal.GetPInvokeErrorMessage(errno)}.";
        return mend is null ? text : $"{text} {mend}";
    }
}
